"""The computer that Docker runs on: utilisation, saturation and errors of its CPU, memory and disk."""

from __future__ import annotations

from dashboards.panels import BLUE, RATE, USED, chart, dashboard, prom, stat, text

CPU = f'1 - avg(rate(node_cpu_seconds_total{{mode="idle"}}{RATE}))'
MEMORY = "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
LEFT = 'node_filesystem_avail_bytes{mountpoint="/"}'
SIZE = 'node_filesystem_size_bytes{mountpoint="/"}'
DISK = f"1 - {LEFT} / {SIZE}"
NOT_YOUR_LAPTOP = "With Docker Desktop it is Docker's virtual machine, and not your laptop."

DASHBOARD = dashboard(
    "computer",
    "Computer",
    f"CPU, memory and disk of the computer that Docker runs on. {NOT_YOUR_LAPTOP}",
    ["metrics", "use"],
    [
        (2, [
            text("Which computer this is.",
                 "The computer that Docker runs on. With **Docker Desktop** (macOS, Windows) that is its virtual machine: the CPUs, memory and disk you gave it, not your laptop's."),
        ]),
        (4, [
            stat("CPU", "**U**tilisation: how busy all cores are together. Good: below 80 % for most of the time.",
                 prom(CPU), unit="percentunit", decimals=0, steps=USED),
            stat("Load per core", "**S**aturation: programs that run, or wait to, by core. Good: below 1. Above it they queue.",
                 prom('node_load1 / count without (cpu, mode) (node_cpu_seconds_total{mode="idle"})'), decimals=2,
                 steps=(("green", None), ("orange", 1), ("red", 2))),
            stat("Memory", "What programs hold and the kernel cannot give back at once. Good: below 80 %. The alert fires above 95 %.",
                 prom(MEMORY), unit="percentunit", decimals=0, steps=USED),
            stat("Disk", "Share of Docker's disk in use. Good: below 80 %. `docker system df` says by what.",
                 prom(DISK), unit="percentunit", decimals=0, steps=USED),
            stat("Disk left", "What is left on Docker's disk. Good: above 5 GB. The alert fires below 1 GB.",
                 prom(LEFT), unit="bytes", decimals=1, steps=(("red", None), ("orange", 1e9), ("green", 5e9))),
            stat("Running for", "Time since the start of the computer, or of the virtual machine. Good: what you expect; short means a crash you did not notice.",
                 prom("time() - node_boot_time_seconds"), unit="s", decimals=0, steps=BLUE, graph=False),
        ]),
        (8, [
            chart("CPU by kind of work", "`user` is programs, `system` the kernel for them, `iowait` waiting for the disk, `steal` what a virtual machine was refused. Good: mostly user; a thick iowait means a slow disk.",
                  prom(f'avg by (mode) (rate(node_cpu_seconds_total{{mode!="idle"}}{RATE}))', "{{mode}}"), unit="percentunit", stack=True, top=1,
                  colours={"user": "green", "system": "blue", "iowait": "orange", "steal": "red"}),
            chart("Load and cores", "Programs that run or wait, averaged over 1, 5 and 15 minutes, and how many cores there are. Good: below the cores. The three together show the trend.",
                  prom("node_load1", "1 minute"), prom("node_load5", "5 minutes"), prom("node_load15", "15 minutes"),
                  prom('count(node_cpu_seconds_total{mode="idle"})', "cores"), unit="short", colours={"cores": "red"}),
        ]),
        (8, [
            chart("Memory", "Used by programs; available, most of it cache that the kernel gives back at once; the sum is all there is. Good: plenty available. Little *free* memory alone is no trouble.",
                  prom("node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes", "used"), prom("node_memory_MemAvailable_bytes", "available"),
                  unit="bytes", stack=True, colours={"used": "orange", "available": "green"}),
            chart("Swap", "Memory moved out to disk. Good: 0, or flat. When it moves, everything crawls: choose a smaller profile.",
                  prom("node_memory_SwapTotal_bytes - node_memory_SwapFree_bytes", "used"), prom("node_memory_SwapTotal_bytes", "there is"),
                  unit="bytes", colours={"used": "red", "there is": "blue"}),
        ]),
        (8, [
            chart("Disk space", "Docker's disk: images, containers, volumes and what else lies there. Good: flat. A steady rise fills it one day.",
                  prom(f"{SIZE} - {LEFT}", "used"), prom(LEFT, "left"), unit="bytes", stack=True, colours={"used": "purple", "left": "green"}),
            chart("Disk throughput", "Bytes read and written each second. Good: low once all runs. Peaks are normal while images are pulled or built.",
                  prom(f"sum(rate(node_disk_read_bytes_total{RATE}))", "read"), prom(f"sum(rate(node_disk_written_bytes_total{RATE}))", "written"),
                  unit="Bps", colours={"read": "blue", "written": "orange"}),
            chart("Disk busy", "Share of the time in which a disk had work. Good: below 80 %. Near 100 % programs wait: see iowait above.",
                  prom(f"rate(node_disk_io_time_seconds_total{RATE})", "{{device}}"), unit="percentunit", limit=0.8),
        ]),
    ],
)  # fmt: skip
