import { playHalf } from "../support/schedules/play-half.ts";

playHalf(1);
