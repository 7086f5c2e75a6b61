import { VisuallyHidden } from "@mantine/core";
import { Link } from "react-router";
import classes from "./shell.module.css";

export function ProductName() {
  return (
    <Link to="/" className={classes.product}>
      <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width={24} height={24} />
      <span className="mantine-visible-from-sm">clerk-sync</span>
      <VisuallyHidden>Overview</VisuallyHidden>
    </Link>
  );
}
