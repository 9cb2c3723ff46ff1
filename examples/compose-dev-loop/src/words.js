import { greeting } from "greeting";

export const words = () => greeting("world");
