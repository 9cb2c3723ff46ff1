// Stands for a package from the registry, such as a web framework.
export const greeting = (whom) => `Hello, ${whom}.`;
