//! How a launcher becomes a program on Linux, step by step. Every step that fails ends it.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::Command,
};

use rustix::{
    process::{self, Signal},
    thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets},
};

use super::{Cannot, Spec, filesystem, limits, syscalls};

/// `O_CLOEXEC`, as `/proc/PID/fdinfo` shows it; the same on every architecture that has a filter.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// Takes everything away and becomes the program; returns without an error only from a probe.
pub(super) fn start(spec: &Spec) -> Result<(), Cannot> {
    only_the_three()?;
    let step = |name: &'static str| move |error: rustix::io::Errno| Cannot::new(name, error);
    // A session of its own: no terminal, and one group that is killed as a whole.
    process::setsid().map_err(step("session"))?;
    process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(step("parent"))?;
    let parent = process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(spec.parent) {
        return Err(Cannot::new("parent", "the executor that started this is gone"));
    }
    process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    std::env::set_current_dir(&spec.directory)
        .map_err(|error| Cannot::new("directory", format!("`{}`: {error}", spec.directory)))?;
    is_program(&spec.program)?;
    limits::set(spec)?;
    drop_capabilities()?;
    rustix::thread::set_no_new_privs(true).map_err(step("privileges"))?;
    let signals = if spec.confined {
        filesystem::restrict(spec)?
    } else {
        filesystem::Signals::Anyone
    };
    let filter = syscalls::filter(spec, signals, std::process::id())?;
    let mut program = Command::new(&spec.program);
    program.args(&spec.args).env_clear();
    // Last but the filter: what it takes to say no must still fit in.
    limits::set_memory(spec)?;
    filter.apply()?;
    if spec.probe {
        return Ok(());
    }
    let error = program.exec();
    Err(Cannot::new(
        "program",
        format!(
            "can't run `{}`: {error}; does `read` name everything it needs, such as its libraries or interpreter?",
            spec.program
        ),
    ))
}

/// Nothing but input, output and errors may reach the program. Everything that the bot opens closes itself; what the bot
/// was started with does not.
fn only_the_three() -> Result<(), Cannot> {
    close_fds::set_fds_cloexec(3, &[]);
    let cannot = |why: &dyn std::fmt::Display| {
        Cannot::new(
            "descriptors",
            format!("can't see that all others are closed: {why}"),
        )
    };
    for entry in fs::read_dir("/proc/self/fdinfo").map_err(|error| cannot(&error))? {
        let entry = entry.map_err(|error| cannot(&error))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse::<u32>().ok());
        if number.is_some_and(|number| number <= 2) {
            continue;
        }
        let info = fs::read_to_string(entry.path()).map_err(|error| cannot(&error))?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        if flags.is_none_or(|flags| flags & CLOSE_ON_EXEC == 0) {
            let what = fs::read_link(Path::new("/proc/self/fd").join(&name)).unwrap_or_default();
            return Err(cannot(&format_args!(
                "{} is `{}`",
                name.display(),
                what.display()
            )));
        }
    }
    Ok(())
}

/// A file that the kernel itself can run. `exec` of the C library gives any other to a shell.
fn is_program(path: &str) -> Result<(), Cannot> {
    let cannot = |error: io::Error| Cannot::new("program", format!("`{path}`: {error}"));
    let file = File::open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(Cannot::new("program", format!("`{path}` is not a file")));
    }
    let mut start = Vec::new();
    file.take(4).read_to_end(&mut start).map_err(cannot)?;
    if start == b"\x7fELF" || start.starts_with(b"#!") {
        Ok(())
    } else {
        let why =
            format!("`{path}` is neither a program nor a script with a first line `#!/path/of/interpreter`");
        Err(Cannot::new("program", why))
    }
}

/// A program of user 0 is to be no more than any other.
fn drop_capabilities() -> Result<(), Cannot> {
    let cannot = |error: rustix::io::Errno| Cannot::new("capabilities", error);
    let held = rustix::thread::capabilities(None).map_err(cannot)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // A capability that this kernel does not know.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(cannot(error)),
            }
        }
        let bits = rustix::thread::capabilities_secure_bits().map_err(cannot)?
            | CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
        rustix::thread::set_capabilities_secure_bits(bits).map_err(cannot)?;
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    rustix::thread::set_capabilities(None, sets).map_err(cannot)
}
