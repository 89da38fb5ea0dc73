import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];
const ITEM = "runbeat.theme";
const WORDS: Readonly<Record<Theme, string>> = { auto: "◑", light: "☀\uFE0E", dark: "☾" };

function stored(): Theme {
  return THEMES.find((theme) => theme === localStorage.getItem(ITEM)) ?? "auto";
}

/** Light, dark, or as the system has it. */
export function ThemeButton(): JSX.Element {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    localStorage.setItem(ITEM, theme);
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
  return (
    <button
      type="button"
      aria-label={`Colours: ${theme}; change to ${next}`}
      title={`Colours: ${theme}`}
      onClick={() => setTheme(next)}
    >
      {WORDS[theme]}
    </button>
  );
}
