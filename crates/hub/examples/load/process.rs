//! Resources that a process takes of the machine, and the files that it may open.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Clock ticks of a second in `/proc/PID/stat`: USER_HZ, 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Lets this process and those that it starts open `needed` files each, or says why they cannot.
pub(crate) fn raise_open_files(needed: u64) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|soft| soft >= needed) {
        return Ok(());
    }
    if let Some(hard) = limit.maximum.filter(|hard| *hard < needed) {
        return Err(format!(
            "a process may open {hard} files here, and this needs {needed}; as root, `ulimit -Hn {needed}` before it \
             (or LimitNOFILE= of a service, `--ulimit nofile={needed}` of a container) allows more; or take fewer \
             --devices"
        ));
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|error| {
        format!("cannot open {needed} files: {error}; say `ulimit -n {needed}` before")
    })
}

/// Resources taken until a moment.
pub(crate) struct Usage {
    /// User and system time of the server.
    pub(crate) hub_cpu: Duration,
    /// User and system time of all devices.
    pub(crate) devices_cpu: Duration,
    /// The server's resident memory, in KB.
    pub(crate) resident: u64,
    /// Its largest, in KB.
    pub(crate) peak: u64,
    /// Resident memory that is no file, such as the program itself, in KB.
    pub(crate) data: u64,
}

impl Usage {
    /// Usage of a server, and of this process.
    pub(crate) fn of(server: &str) -> Result<Self, String> {
        Ok(Self {
            hub_cpu: cpu(server)?,
            devices_cpu: cpu("self")?,
            resident: status(server, "VmRSS:")?,
            peak: status(server, "VmHWM:")?,
            data: status(server, "RssAnon:")?,
        })
    }
}

fn read(process: &str, file: &str) -> Result<String, String> {
    let path = format!("/proc/{process}/{file}");
    std::fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
}

/// User and system time of all threads.
fn cpu(process: &str) -> Result<Duration, String> {
    match on_processor(process) {
        Some(time) => Ok(time),
        None => ticks(process),
    }
}

/// The time of all threads on a processor, in nanoseconds, where the kernel counts it (`sched-stats` of its
/// documentation). Threads that ended are not in it.
fn on_processor(process: &str) -> Option<Duration> {
    let mut all = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
        let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        all += times.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    (all > 0).then(|| Duration::from_nanos(all))
}

/// `utime` and `stime` of proc_pid_stat(5).
fn ticks(process: &str) -> Result<Duration, String> {
    let stat = read(process, "stat")?;
    // The name of the program, in parentheses, may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |field: usize| {
        fields
            .get(field)
            .and_then(|field| field.parse::<f64>().ok())
    };
    let ticks = ticks(11)
        .zip(ticks(12))
        .ok_or("/proc/PID/stat is not what it should be")?;
    Ok(Duration::from_secs_f64(
        (ticks.0 + ticks.1) / TICKS_PER_SECOND,
    ))
}

/// A line of proc_pid_status(5), in KB.
fn status(process: &str, name: &str) -> Result<u64, String> {
    let text = read(process, "status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("/proc/{process}/status has no {name}"))
}
