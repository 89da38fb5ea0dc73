import { render } from "preact";
import { App } from "./app.tsx";
import { LiveFleet } from "./live-fleet.ts";

const live = new LiveFleet();
live.start();
const root = document.getElementById("app");
if (root === null) throw new Error("the page has no place for the application");
root.replaceChildren();
render(<App live={live} />, root);
