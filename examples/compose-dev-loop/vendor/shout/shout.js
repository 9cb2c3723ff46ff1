// Stands for a package that somebody adds later.
export const shout = (text) => text.toUpperCase();
