//! The other side of a command: this program again, started by the executor, which takes everything away from itself
//! that the catalog does not allow and then becomes the program. INVARIANT i23.
//!
//! Between its start and the program's there is no other process and no unsafe code: nothing has to be done between
//! `fork` and `exec`. It reads a [`Spec`] from its standard input, to the byte, and leaves the rest to the program.
//! Whatever can't be enforced is reported, and then nothing runs.

#[cfg(target_os = "linux")]
mod filesystem;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod syscalls;

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    process::ExitCode,
};

use serde::{Deserialize, Serialize};

/// The argument that makes this program the launcher.
pub const ARGUMENT: &str = "--contained";
/// The exit code of a launcher that ran nothing. A program may exit with it as well: only a report with the token tells.
pub(super) const EXIT: u8 = 125;
/// The longest spec, in bytes.
const MAX_SPEC: usize = 1 << 20;
/// How many digits tell the length of a spec.
const LENGTH: usize = 8;

/// What a program is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Random, and known to the executor and the launcher alone: no program can make a report that carries it.
    pub token: String,
    /// The process that must still be there.
    pub parent: u32,
    /// The absolute path of the program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its working directory, in which it may write.
    pub directory: String,
    /// What it may read and execute besides.
    pub read: Vec<String>,
    /// Whether Landlock keeps it to these files.
    pub confined: bool,
    /// Whether it may use the network.
    pub network: bool,
    /// How many processes it may be.
    pub processes: u32,
    /// Seconds of processor time.
    pub cpu: u64,
    /// Bytes of address space.
    pub memory: u64,
    /// Bytes of each file it writes.
    pub files: u64,
    /// Open files.
    pub open_files: u64,
    /// Whether to stop right before the program would start, to see that all of this can be enforced.
    pub probe: bool,
}

impl Spec {
    /// The spec as it goes ahead of the program's own input: eight hexadecimal digits and so many bytes of JSON.
    /// Errors: it can't be written, or is too long.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let json = serde_json::to_vec(self)?;
        if json.len() > MAX_SPEC {
            return Err(io::Error::other("the arguments and paths together are too long"));
        }
        let mut bytes = format!("{:0LENGTH$x}", json.len()).into_bytes();
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// Reads a spec and not a byte more.
    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; LENGTH];
        from.read_exact(&mut length)?;
        let length = std::str::from_utf8(&length).ok();
        let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let length = length
            .filter(|length| *length <= MAX_SPEC)
            .ok_or_else(|| io::Error::other("it does not begin with a length"))?;
        let mut json = vec![0; length];
        from.read_exact(&mut json)?;
        Ok(serde_json::from_slice(&json)?)
    }
}

/// What a launcher says that did not become the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    /// The spec's.
    pub(super) token: String,
    /// What could not be done; none when a probe found nothing.
    pub(super) error: Option<Cannot>,
}

/// What could not be enforced; nothing ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("contained: {step}: {why}; nothing ran")]
pub struct Cannot {
    /// Which of the bounds, as in `landlock`.
    step: String,
    /// Why not, and what would help.
    why: String,
}

impl Cannot {
    pub(super) fn new(step: &str, why: impl ToString) -> Self {
        Self {
            step: step.to_owned(),
            why: why.to_string(),
        }
    }
    /// Which of the bounds could not be enforced.
    pub fn step(&self) -> &str {
        &self.step
    }
}

/// Keeps other processes of this user out of this one's memory and environment, which hold secrets; nor does it leave them
/// in a core dump. Landlock does the same for a confined program, this for any other.
pub fn hide() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Whether this process was started as the launcher; to be asked before there is any thread.
pub fn is_launcher() -> bool {
    let mut args = std::env::args_os().skip(1);
    args.next().is_some_and(|arg| arg == OsStr::new(ARGUMENT)) && args.next().is_none()
}

/// Becomes the program that standard input names; returns only when it can't.
pub fn become_program() -> ExitCode {
    let mut input = match unbuffered_input() {
        Ok(input) => input,
        Err(error) => return give_up(&format!("can't read standard input: {error}")),
    };
    let spec = match Spec::read(&mut input) {
        Ok(spec) => spec,
        Err(error) => return give_up(&format!("no program to run was given: {error}")),
    };
    drop(input);
    let report = Report {
        error: start(&spec).err(),
        token: spec.token,
    };
    let code = if report.error.is_some() { EXIT } else { 0 };
    let told = serde_json::to_vec(&report)
        .map_err(io::Error::other)
        .and_then(|line| io::stdout().write_all(&line));
    match told {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::from(EXIT),
    }
}

/// Someone ran this by hand.
fn give_up(why: &str) -> ExitCode {
    let line = format!(
        "error: {why}; `{ARGUMENT}` is what the executor runs catalogued programs with, and takes no part of its own\n"
    );
    match io::stderr().write_all(line.as_bytes()) {
        Ok(()) | Err(_) => ExitCode::from(EXIT),
    }
}

/// Standard input without the buffer of the standard library, which would swallow what is the program's.
#[cfg(unix)]
fn unbuffered_input() -> io::Result<std::fs::File> {
    use std::os::fd::AsFd;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn unbuffered_input() -> io::Result<io::Empty> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(target_os = "linux")]
fn start(spec: &Spec) -> Result<(), Cannot> {
    linux::start(spec)
}

#[cfg(not(target_os = "linux"))]
fn start(_: &Spec) -> Result<(), Cannot> {
    Err(Cannot::new(
        "system",
        "only Linux can contain a program; run the executor on Linux",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_read_to_the_byte() {
        let spec = Spec {
            token: "t".into(),
            parent: 1,
            program: "/bin/x".into(),
            args: vec!["a\"b\n".into()],
            directory: "/w".into(),
            read: Vec::new(),
            confined: true,
            network: false,
            processes: 1,
            cpu: 1,
            memory: 1,
            files: 1,
            open_files: 8,
            probe: false,
        };
        let mut bytes = spec.to_bytes().unwrap();
        bytes.extend_from_slice(b"{\"the\":\"program's\"}");
        let mut rest = bytes.as_slice();
        assert_eq!(Spec::read(&mut rest).unwrap(), spec);
        assert_eq!(rest, b"{\"the\":\"program's\"}");
        for bad in [
            &b"0000"[..],
            b"zzzzzzzz",
            b"ffffffff{}",
            b"00000002{}",
            b"0000000a{}",
        ] {
            assert!(Spec::read(&mut &bad[..]).is_err(), "{bad:?}");
        }
    }
}
