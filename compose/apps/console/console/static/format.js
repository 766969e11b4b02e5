// Numbers and times as people read them; units carry Grafana's names.

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB"];
const SHORT = ["", " K", " Mil", " Bil", " Tri"];
const SECOND = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86400 };

function digits(value, decimals) {
  if (decimals === undefined || decimals === null) {
    const size = Math.abs(value);
    decimals = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(size || 1)));
    return String(Number(value.toFixed(decimals)));
  }
  return value.toFixed(decimals);
}

function scaled(value, base, names, decimals) {
  let power = 0;
  while (Math.abs(value) >= base && power < names.length - 1) {
    value /= base;
    power += 1;
  }
  return [digits(value, power ? decimals ?? undefined : decimals), names[power]];
}

function seconds(value, decimals) {
  const size = Math.abs(value);
  const spaced = (number, unit) => `${digits(number, decimals)} ${unit}`;
  if (size === 0) return "0 s";
  if (size < 1e-6) return spaced(value * 1e9, "ns");
  if (size < 1e-3) return spaced(value * 1e6, "µs");
  if (size < 1) return spaced(value * 1e3, "ms");
  if (size < 120) return spaced(value, "s");
  if (size < 7200) return spaced(value / 60, "min");
  if (size < 172800) return spaced(value / 3600, "h");
  return spaced(value / 86400, "days");
}

const RATES = { reqps: "req/s", rps: "reads/s", wps: "writes/s", ops: "ops/s", cps: "/s", iops: "io/s", opm: "/min", cpm: "/min", reqpm: "req/min", eps: "events/s" };

/** `value` in Grafana's `unit`, with so many decimals if given. */
export function format(value, unit = "none", decimals = undefined) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  if (unit in SECOND) return seconds(value * SECOND[unit], decimals);
  if (unit in RATES) return join(scaled(value, 1000, SHORT, decimals), ` ${RATES[unit]}`);
  switch (unit) {
    case "percentunit": return `${digits(value * 100, decimals ?? (Math.abs(value) < 0.1 ? 2 : 1))}%`;
    case "percent": return `${digits(value, decimals)}%`;
    case "bytes": return scaled(value, 1024, BINARY, decimals).join(" ");
    case "decbytes": return scaled(value, 1000, DECIMAL, decimals).join(" ");
    case "Bps": return `${scaled(value, 1000, DECIMAL, decimals).join(" ")}/s`;
    case "binBps": return `${scaled(value, 1024, BINARY, decimals).join(" ")}/s`;
    case "bool": return value ? "True" : "False";
    case "bool_yes_no": return value ? "Yes" : "No";
    case "bool_on_off": return value ? "On" : "Off";
    case "dateTimeAsIso": case "dateTimeAsLocal": case "dateTimeAsSystem": return moment(value / 1000);
    case "dateTimeFromNow": return ago(value / 1000);
    case "none": case "string": case "locale": return digits(value, decimals);
    case "short": return join(scaled(value, 1000, SHORT, decimals), "");
  }
  if (unit.startsWith("suffix:")) return digits(value, decimals) + unit.slice(7);
  if (unit.startsWith("prefix:")) return unit.slice(7) + digits(value, decimals);
  return join(scaled(value, 1000, SHORT, decimals), unit ? ` ${unit}` : "");
}

function join([number, power], unit) {
  return `${number}${power}${unit}`;
}

/** A moment (seconds since 1970) with the visitor's own clock and customs. */
export function moment(time) {
  return new Date(time * 1000).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
}

export function clock(time) {
  return new Date(time * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

export function ago(time, from = Date.now() / 1000) {
  const passed = Math.max(0, from - time);
  return passed < 2 ? "just now" : `${seconds(passed, 0)} ago`;
}

const AGE = { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** Grafana's durations (`30s`, `1m`, `2h`) in milliseconds; 0 for anything else. */
export function duration(text) {
  const match = /^(\d+(?:\.\d+)?)(ms|[smhdw])$/.exec(text || "");
  return match ? Number(match[1]) * (match[2] === "ms" ? 1 : AGE[match[2]]) : 0;
}

/** `now`, `now-15m` or milliseconds since 1970, in milliseconds; NaN for anything else. */
export function instant(text, now) {
  if (/^\d+$/.test(text)) return Number(text);
  const match = /^now(?:([-+])(\d+[smhdw]))?$/.exec(text || "");
  if (!match) return NaN;
  return now + (match[1] === "+" ? 1 : -1) * duration(match[2] || "");
}
