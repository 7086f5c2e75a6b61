import { playHalf } from "../support/play-half.ts";

playHalf(1);
