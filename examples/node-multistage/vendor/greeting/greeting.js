// Stands for what the program needs while it runs, such as a web framework.
export const greeting = (whom) => `Hello, ${whom}.`;
