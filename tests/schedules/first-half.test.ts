import { playHalf } from "../support/play-half.ts";

playHalf(0);
