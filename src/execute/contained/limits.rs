//! What a program may use at most: `setrlimit(2)`, hard limits that it can't raise again.

use std::fs;

use rustix::process::{Resource, Rlimit, getuid, setrlimit};

use super::{Cannot, Spec};

/// How many threads a program may have that can't start a process.
const THREADS: u64 = 64;

/// Every limit but that of memory.
pub(super) fn set(spec: &Spec) -> Result<(), Cannot> {
    let processes = if getuid().is_root() {
        // The kernel does not count the processes of user 0. One that can't start another needs no counting.
        if spec.processes > 1 {
            let why = "the bot runs as user 0, whose processes the kernel does not count; run it as another user, or write `processes: 1`";
            return Err(Cannot::new("processes", why));
        }
        None
    } else {
        let more = if spec.processes > 1 {
            u64::from(spec.processes)
        } else {
            THREADS
        };
        // The kernel counts all tasks of a user, the bot's own threads included, and this one.
        Some(tasks_of_user()?.saturating_sub(1).saturating_add(more))
    };
    let limits = [
        ("core", Resource::Core, Some(0)),
        ("locked memory", Resource::Memlock, Some(0)),
        ("message queues", Resource::Msgqueue, Some(0)),
        ("files", Resource::Fsize, Some(spec.files)),
        ("open_files", Resource::Nofile, Some(spec.open_files)),
        ("processes", Resource::Nproc, processes),
    ];
    for (name, resource, limit) in limits {
        if let Some(limit) = limit {
            set_one(name, resource, limit, limit)?;
        }
    }
    // Told at the limit, killed a second later.
    set_one("cpu", Resource::Cpu, spec.cpu, spec.cpu.saturating_add(1))
}

/// The limit of address space, which holds for this process at once.
pub(super) fn set_memory(spec: &Spec) -> Result<(), Cannot> {
    set_one("memory", Resource::As, spec.memory, spec.memory)
}

fn set_one(name: &str, resource: Resource, soft: u64, hard: u64) -> Result<(), Cannot> {
    let limit = Rlimit {
        current: Some(soft),
        maximum: Some(hard),
    };
    setrlimit(resource, limit).map_err(|error| {
        let why = format!("can't limit it to {hard}: {error}; is the bot itself limited to less?");
        Cannot::new(name, why)
    })
}

/// How many processes and threads this user has now.
fn tasks_of_user() -> Result<u64, Cannot> {
    let cannot = |error: std::io::Error| Cannot::new("processes", format!("can't read `/proc`: {error}"));
    let me = u64::from(getuid().as_raw());
    let mut count = 0_u64;
    for entry in fs::read_dir("/proc").map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let is_process = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_process {
            continue;
        }
        // What ends while it is looked at does not count.
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        if number("Uid:") == Some(me) {
            count = count.saturating_add(number("Threads:").unwrap_or(1));
        }
    }
    Ok(count)
}
