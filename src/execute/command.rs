//! Running a program of the catalog: contained, bounded, ended whatever it does. INVARIANT i23.
//!
//! The executor starts this very program again as a launcher ([`contained`](super::contained)), which takes everything
//! away from itself and becomes the program. Only a report with a token that no program can know says that nothing ran;
//! in every other case an exit code that the catalog does not name leaves open what was done. INVARIANT i21.

#[cfg(target_os = "linux")]
mod room;
#[cfg(target_os = "linux")]
mod supervise;

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use bytes::Bytes;

use super::{
    call::Answered,
    contained::{ARGUMENT, Cannot, EXIT, Report, Spec},
    http::BodyError,
};
use crate::domain::{
    policy::{Bounds, CommandExecute, Filesystem},
    source::is_visible,
    warrant::CommandCall,
};

/// The files in a working directory may take so many times what one may.
const FILES: u64 = 4;
/// How much of a line of errors is shown.
const EXCERPT: usize = 160;
/// How long it may take to see whether a program could be started.
const CHECK: Duration = Duration::from_secs(10);

/// Where and with what programs are started.
#[derive(Debug, Clone)]
pub struct Commands {
    launcher: PathBuf,
    rooms: PathBuf,
    hidden: Vec<PathBuf>,
}

impl Commands {
    /// Programs get working directories in `rooms`, and may not be given anything of `hidden`: the bot's data and keys.
    ///
    /// The launcher is this process's own program as it was started, whatever its file holds by now.
    pub fn new(rooms: impl Into<PathBuf>, hidden: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            launcher: "/proc/self/exe".into(),
            rooms: rooms.into(),
            hidden: hidden.into_iter().collect(),
        }
    }

    /// The same with another file as the launcher.
    #[must_use]
    pub fn launched_by(mut self, launcher: impl Into<PathBuf>) -> Self {
        self.launcher = launcher.into();
        self
    }

    /// Whether a program could be started as the catalog says, up to the last moment before it. Runs nothing.
    pub(super) async fn check(&self, command: &CommandExecute) -> Result<(), Cannot> {
        let program = Program {
            path: command.program(),
            args: command.args(),
            bounds: command.bounds(),
        };
        match self.start(program, Bytes::new(), CHECK, true).await? {
            (_, Some(Report { error: None, .. })) => Ok(()),
            (
                _,
                Some(Report {
                    error: Some(cannot), ..
                }),
            ) => Err(cannot),
            (finished, None) => Err(Cannot::new("launcher", finished.ended.told(command.bounds()))),
        }
    }

    /// Runs a program once. Errors: it was not started; nothing ran.
    pub(super) async fn run(
        &self,
        call: &CommandCall,
        input: Bytes,
        within: Duration,
    ) -> Result<Finished, Cannot> {
        let program = Program {
            path: &call.program,
            args: &call.args,
            bounds: &call.bounds,
        };
        match self.start(program, input, within, false).await? {
            (
                _,
                Some(Report {
                    error: Some(cannot), ..
                }),
            ) => Err(cannot),
            (finished, _) => Ok(finished),
        }
    }

    #[cfg(target_os = "linux")]
    async fn start(
        &self,
        program: Program<'_>,
        input: Bytes,
        within: Duration,
        probe: bool,
    ) -> Result<(Finished, Option<Report>), Cannot> {
        let cannot = |error: std::io::Error| Cannot::new("launcher", error);
        let room = room::Room::new(&self.rooms).map_err(|error| {
            let why = format!(
                "can't make a working directory in `{}`: {error}",
                self.rooms.display()
            );
            Cannot::new("directory", why)
        })?;
        let spec = self.spec(program, room.path(), probe)?;
        let head = spec.to_bytes().map_err(cannot)?;
        let mut launcher = std::process::Command::new(&self.launcher);
        launcher.arg(ARGUMENT).env_clear();
        let run = supervise::Run {
            launcher,
            room,
            storage: program.bounds.files.bytes().saturating_mul(FILES),
            input: [Bytes::from(head), input],
            within,
        };
        let told = run.begin().map_err(cannot)?;
        let finished = match told.await {
            Ok(finished) => finished.map_err(cannot)?,
            Err(gone) => Finished::lost(&gone),
        };
        let report = match finished.ended {
            Ended::Code(EXIT | 0) => serde_json::from_slice::<Report>(&finished.output).ok(),
            _ => None,
        };
        let report = report.filter(|report| report.token == spec.token);
        Ok((finished, report))
    }

    #[cfg(not(target_os = "linux"))]
    async fn start(
        &self,
        _: Program<'_>,
        _: Bytes,
        _: Duration,
        _: bool,
    ) -> Result<(Finished, Option<Report>), Cannot> {
        let why = "only Linux can contain a program; run the executor on Linux";
        Err(Cannot::new("system", why))
    }

    fn spec(&self, program: Program<'_>, room: &Path, probe: bool) -> Result<Spec, Cannot> {
        let bounds = program.bounds;
        self.keep_out("program", program.path)?;
        let read = bounds.read.iter().map(|path| self.keep_out("read", path));
        Ok(Spec {
            token: hex::encode(rand::random::<[u8; 16]>()),
            parent: std::process::id(),
            program: program.path.to_owned(),
            args: program.args.to_vec(),
            directory: text(room)?,
            read: read.collect::<Result<_, _>>()?,
            confined: bounds.filesystem == Filesystem::Confined,
            network: bounds.network,
            processes: bounds.processes,
            cpu: u64::try_from(bounds.cpu.millis() / 1000).unwrap_or(1),
            memory: bounds.memory.bytes(),
            files: bounds.files.bytes(),
            open_files: bounds.open_files.into(),
            probe,
        })
    }

    /// The one true path of what a program is given, which must not touch what is the bot's own.
    fn keep_out(&self, field: &str, path: &str) -> Result<String, Cannot> {
        let real = Path::new(path)
            .canonicalize()
            .map_err(|error| Cannot::new(field, format!("`{path}`: {error}")))?;
        let own = self.hidden.iter().find(|own| {
            let own = own.canonicalize().unwrap_or_else(|_| PathBuf::from(own));
            own.starts_with(&real) || real.starts_with(&own)
        });
        match own {
            Some(own) => Err(Cannot::new(
                field,
                format!(
                    "`{path}` has to do with `{}`, where the bot keeps its own data or keys; name another place",
                    own.display()
                ),
            )),
            None => text(&real),
        }
    }
}

fn text(path: &Path) -> Result<String, Cannot> {
    let text = path.to_str().map(ToOwned::to_owned);
    text.ok_or_else(|| Cannot::new("path", format!("`{}` is not UTF-8", path.display())))
}

/// What is started.
#[derive(Clone, Copy)]
struct Program<'a> {
    path: &'a str,
    args: &'a [String],
    bounds: &'a Bounds,
}

/// How a program that was started ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) ended: Ended,
    /// What it said on standard output, up to [`MAX_ANSWER`](super::MAX_ANSWER).
    output: Vec<u8>,
    /// Whether that is all it said.
    whole: bool,
    errors: Vec<u8>,
}

/// Why a program is not there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It exited.
    Code(u8),
    /// The kernel ended it.
    Signal(i32),
    /// It took too long.
    Late,
    /// The executor stops.
    Stopped,
    /// It made too much of something.
    TooMuch(&'static str),
    /// Nobody could watch it.
    Lost(String),
}

/// What the end of a program means for its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Done.
    Done,
    /// No, and nothing was done.
    Refused,
    /// Nobody can tell.
    Unclear,
}

impl Finished {
    fn lost(why: &impl ToString) -> Self {
        Self {
            ended: Ended::Lost(why.to_string()),
            output: Vec::new(),
            whole: false,
            errors: Vec::new(),
        }
    }
    /// What it means, by the exit codes of the catalog alone.
    pub(super) fn meaning(&self, call: &CommandCall) -> Meaning {
        match self.ended {
            Ended::Code(code) if call.success.contains(&code) => Meaning::Done,
            Ended::Code(code) if call.refused.contains(&code) => Meaning::Refused,
            Ended::Code(_)
            | Ended::Signal(_)
            | Ended::Late
            | Ended::Stopped
            | Ended::TooMuch(_)
            | Ended::Lost(_) => Meaning::Unclear,
        }
    }
    /// What it said, as an answer with this note.
    pub(super) fn answered(self, note: String) -> Answered {
        let status = match self.ended {
            Ended::Code(code) => Some(code.into()),
            Ended::Signal(_) | Ended::Late | Ended::Stopped | Ended::TooMuch(_) | Ended::Lost(_) => None,
        };
        Answered {
            status,
            note: if self.whole {
                note
            } else {
                format!("{note}; {} and was not kept", BodyError::TooLarge)
            },
            content_type: None,
            body: self.whole.then_some(self.output),
        }
    }
    /// The first line of what it said on standard error, as far as it can be shown. Not to be asked where the program knew
    /// a sealed value.
    pub(super) fn excerpt(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.errors);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        Some(line.chars().filter(|c| is_visible(*c)).take(EXCERPT).collect())
    }
}

impl Ended {
    fn of(status: ExitStatus) -> Self {
        let signal = {
            #[cfg(unix)]
            {
                std::os::unix::process::ExitStatusExt::signal(&status)
            }
            #[cfg(not(unix))]
            {
                None
            }
        };
        match (status.code().map(u8::try_from), signal) {
            (Some(Ok(code)), _) => Self::Code(code),
            (_, Some(signal)) => Self::Signal(signal),
            (Some(Err(_)) | None, None) => Self::Lost("it ended in no way that is known".into()),
        }
    }
    /// In words, with the bound that it met.
    pub(super) fn told(&self, bounds: &Bounds) -> String {
        const SIGXCPU: i32 = 24;
        const SIGXFSZ: i32 = 25;
        match self {
            Self::Code(code) => format!("exited with {code}"),
            Self::Signal(SIGXCPU) => format!("was killed after {} of processor time", bounds.cpu),
            Self::Signal(SIGXFSZ) => format!("was killed for a file of more than {}", bounds.files),
            Self::Signal(signal) => format!("was killed by signal {signal}"),
            Self::Late => "did not end in time and was killed".into(),
            Self::Stopped => "was killed, for the executor stopped".into(),
            Self::TooMuch(what) => format!("{what} and was killed"),
            Self::Lost(why) => format!("could not be watched ({why}) and was killed"),
        }
    }
}
