"""The demo's two reports: a table for the terminal and a page with bars."""
import html

MODES = ("native", "vireo")
NAMES = {"native": "native", "vireo": "Vireo"}

# key, heading of the table, heading of the page, format, more is better
COLUMNS = (
    ("held", "held", "connections held", "%d", True),
    ("open_s", "open s", "time to open them, s", "%.2f", False),
    ("threads", "threads", "OS threads", "%d", False),
    ("memory_mb", "MB", "RSS + kernel memory, MB", "%.1f", False),
    ("rps", "req/s", "requests/s", "%.0f", True),
    ("cpu_us", "CPU us/req", "CPU \u00b5s a request", "%.1f", False),
    ("p50_ms", "p50 ms", "p50, ms", "%.1f", False),
    ("p99_ms", "p99 ms", "p99, ms", "%.1f", False),
    ("errors", "errors", "errors", "%d", False),
)


def ratio_text(row):
    return "%.2fx" % row["ratio"] if row.get("ratio") else ""


def table(rows):
    """One line for each step and mode; the ratio is of requests/s."""
    heads = ["", ""] + [column[1] for column in COLUMNS] + ["ratio"]
    lines = [heads]
    for row in rows:
        for mode in MODES:
            if mode not in row:
                continue
            cells = [column[3] % row[mode][column[0]] for column in COLUMNS]
            first = mode == MODES[0] or MODES[0] not in row
            last = ratio_text(row) if mode == MODES[1] else ""
            lines.append([row["name"] if first else "", NAMES[mode]] + cells
                         + [last])
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    text = []
    for line in lines:
        cells = [cell.ljust(width) if i < 2 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #68727d;
  --line: #dde2e7; --paper: #ffffff; --native: #aab4be; --vireo: #2e9e6b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec;
  --soft: #97a1ab; --line: #333b43; --paper: #14181c; --native: #69747f;
  --vireo: #37b57c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
p { color: var(--soft); margin: .3rem 0; }
.facts { display: grid; gap: 1rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
.fact > b { font-weight: 600; font-size: .85rem; color: var(--soft); }
.bar { display: grid; grid-template-columns: 3.5rem 1fr 5rem; gap: .5rem;
  align-items: center; font-size: .85rem; }
.bar i { display: block; height: .75rem; border-radius: 2px;
  min-width: 1px; }
.native i { background: var(--native); } .vireo i { background: var(--vireo); }
.bar span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.ratio { color: var(--vireo); font-weight: 600; font-size: .9rem;
  float: right; }
.bad { color: #d04437; }
"""


def bars(row, column):
    key, _, heading, form, more = column
    values = {mode: row[mode][key] for mode in MODES if mode in row}
    top = max(values.values()) or 1
    lines = ["<div class=fact><b>%s</b>" % html.escape(heading)]
    for mode, value in values.items():
        lines.append(
            "<div class='bar %s'><span>%s</span><i style='width:%.1f%%'></i>"
            "<span>%s</span></div>" % (mode, NAMES[mode], 100 * value / top,
                                       form % value))
    return "".join(lines + ["</div>"])


def page(rows, facts, failures):
    """A page that needs nothing from outside."""
    text = ["<!doctype html><html lang=en><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width'>",
            "<title>Vireo: the demo</title><style>%s</style>" % STYLE,
            "<h1>Unmodified threaded servers, native and under Vireo</h1>"]
    text += ["<p>%s</p>" % html.escape(fact) for fact in facts]
    text += ["<p class=bad>%s</p>" % html.escape(f) for f in failures]
    for row in rows:
        text.append("<h2>%s" % html.escape(row["name"]))
        if row.get("ratio"):
            text.append("<span class=ratio>%s requests/s</span>"
                        % ratio_text(row).replace("x", "\u00d7"))
        text.append("</h2><div class=facts>")
        text += [bars(row, column) for column in COLUMNS]
        text.append("</div>")
    return "\n".join(text + ["</html>\n"])
