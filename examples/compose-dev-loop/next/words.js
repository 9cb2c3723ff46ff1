import { greeting } from "greeting";
import { shout } from "shout";

export const words = () => shout(greeting("world"));
