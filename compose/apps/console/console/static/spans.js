// Which version ran when, and what became of it, from the series `{track, version}` over time.

const GAP = 60; // seconds without a sample that are no end: a restart, a lost scrape

/** Rows {Track, Version, From, Until, Outcome}, the latest first; `Until` is null for what runs at `end` (seconds). */
export function spans(series, step, end) {
  const found = series.flatMap(({ metric, values }) => {
    const runs = [];
    for (const [time] of values) {
      const last = runs.at(-1);
      if (last && time - last.Until <= step + GAP) last.Until = time;
      else runs.push({ Track: metric.track, Version: metric.version, From: time, Until: time });
    }
    return runs;
  });
  const stable = found.filter((span) => span.Track === "stable");
  for (const span of found) {
    if (end - span.Until <= 2 * step) span.Until = null;
    span.Outcome = outcome(span, stable);
  }
  return found.sort((a, b) => b.From - a.From || b.Track.localeCompare(a.Track));
}

function outcome(span, stable) {
  if (span.Track === "stable") {
    if (span.Until === null) return "is the stable version";
    const next = stable.filter((other) => other.From > span.From).sort((a, b) => a.From - b.From)[0];
    return next && next.Version !== span.Version ? `was replaced by ${next.Version}` : "was stopped";
  }
  // Between trials the canary runs what the others run; on trial it runs another version than they did when it began.
  const trial = stable.some((other) => other.Version !== span.Version && other.From <= span.From && (other.Until === null || other.Until >= span.From));
  if (!trial) return "as stable: nothing on trial";
  if (stable.some((other) => other.Version === span.Version && other.From >= span.From)) return "promoted";
  return span.Until === null ? "on trial" : "rolled back";
}
