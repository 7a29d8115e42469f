//! How the bot acts by running a program on its own machine: declared in the catalog, never by an agent. INVARIANT i23.
//!
//! What an agent proposes reaches the program as JSON on its standard input and nowhere else: program and arguments are
//! literals, and there is no environment.

use std::{collections::BTreeSet, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{body::BodyTemplate, param::ParamPath, size::Size};
use crate::domain::{
    ids::Span,
    source::{Fault, Node},
};

/// Whether the kernel keeps a program to the files it was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// It reads what `read` names and writes in its own working directory. Refused where the kernel has no Landlock.
    #[default]
    Confined,
    /// It reads and writes whatever the bot's user may, the bot's own keys included.
    Unconfined,
}

/// How the bot acts by running a program.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandExecute {
    program: String,
    args: Vec<String>,
    stdin: Option<BodyTemplate>,
    bounds: Bounds,
    repeatable: bool,
    success: BTreeSet<u8>,
    refused: BTreeSet<u8>,
}

/// What a program may use at most, and what it may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// How long it may run.
    pub timeout: Span,
    /// How much processor time each of its processes may take.
    pub cpu: Span,
    /// How much address space each of its processes may have.
    pub memory: Size,
    /// How large a file may become that it writes.
    pub files: Size,
    /// How many files it may have open.
    pub open_files: u32,
    /// How many processes it may be; 1 can't start another.
    pub processes: u32,
    /// What it may read and execute, besides the program itself.
    pub read: Vec<String>,
    /// Whether it is kept to that.
    pub filesystem: Filesystem,
    /// Whether it may use the network.
    pub network: bool,
}

impl CommandExecute {
    /// The absolute path of the program.
    pub fn program(&self) -> &str {
        &self.program
    }
    /// Its arguments, as they stand in the catalog.
    pub fn args(&self) -> &[String] {
        &self.args
    }
    /// What it reads as `input`.
    pub fn stdin(&self) -> Option<&BodyTemplate> {
        self.stdin.as_ref()
    }
    /// What it may use and touch.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }
    /// Whether the program is promised to act once for one idempotency key. Only then is it run again when it is open
    /// whether it acted (INVARIANT i21).
    pub fn repeatable(&self) -> bool {
        self.repeatable
    }
    /// The exit codes that mean "done".
    pub fn success(&self) -> &BTreeSet<u8> {
        &self.success
    }
    /// The exit codes that mean "no, and nothing was done".
    pub fn refused(&self) -> &BTreeSet<u8> {
        &self.refused
    }
    /// The parameters put into its standard input.
    pub(super) fn params(&self) -> Vec<&ParamPath> {
        self.stdin.as_ref().map(BodyTemplate::params).unwrap_or_default()
    }

    /// Reads what stands under `command`.
    pub(super) fn read(node: &Node) -> Result<Self, Vec<Fault>> {
        let raw: RawCommand = node.decode().map_err(|fault| vec![fault])?;
        let mut faults = Reader {
            node,
            faults: Vec::new(),
        };
        faults.path("/program", "program", &raw.program);
        if raw.args.len() > MAX_LIST {
            faults.add("/args", format!("{MAX_LIST} arguments are the limit"));
        }
        for (index, arg) in raw.args.iter().enumerate() {
            faults.arg(&format!("/args/{index}"), arg);
        }
        if raw.read.len() > MAX_LIST {
            faults.add("/read", format!("{MAX_LIST} paths are the limit"));
        }
        for (index, path) in raw.read.iter().enumerate() {
            faults.readable(&format!("/read/{index}"), path);
        }
        let timeout = raw.timeout.unwrap_or(Span::seconds(30));
        let bounds = Bounds {
            timeout: faults.within("/timeout", timeout, Span::seconds(1), Span::seconds(300)),
            cpu: faults.within(
                "/cpu",
                raw.cpu.unwrap_or(Span::seconds(10).min(timeout)),
                Span::seconds(1),
                Span::seconds(300),
            ),
            memory: faults.within(
                "/memory",
                raw.memory.unwrap_or(Size::mib(256)),
                Size::mib(16),
                Size::mib(65_536),
            ),
            files: faults.within(
                "/files",
                raw.files.unwrap_or(Size::mib(16)),
                Size::mib(0),
                Size::mib(4096),
            ),
            open_files: faults.within("/open_files", raw.open_files.unwrap_or(64), 8, 4096),
            processes: faults.within("/processes", raw.processes.unwrap_or(1), 1, 64),
            read: raw.read,
            filesystem: raw.filesystem,
            network: raw.network,
        };
        if bounds.filesystem == Filesystem::Unconfined {
            if !bounds.read.is_empty() {
                let message =
                    "`filesystem: unconfined` reads everything, so `read` says nothing; remove one of them";
                faults.add("/read", message);
            }
            if bounds.processes > 1 {
                let message = "`filesystem: unconfined` can't keep several processes apart from others; write `processes: 1`";
                faults.add("/processes", message);
            }
        }
        let success = faults.codes("/success", raw.success.unwrap_or_else(|| vec![0]));
        let refused = faults.codes("/refused", raw.refused.unwrap_or_default());
        if success.is_empty() {
            faults.add(
                "/success",
                "`success` is empty, so it could never have run; write `[0]`",
            );
        }
        if let Some(both) = success.intersection(&refused).next() {
            let message =
                format!("the exit code {both} can't mean both done and refused; remove one of them");
            faults.add("/refused", message);
        }
        let stdin = node.get("stdin").map(BodyTemplate::read).transpose();
        let stdin = stdin.unwrap_or_else(|fault| {
            faults.faults.push(fault);
            None
        });
        if !faults.faults.is_empty() {
            return Err(faults.faults);
        }
        Ok(Self {
            program: raw.program,
            args: raw.args,
            stdin,
            bounds,
            repeatable: raw.repeatable,
            success,
            refused,
        })
    }
}

/// The program that carries an action out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCommand {
    /// The absolute path of the program.
    program: String,
    /// Its arguments, as they are: parameters reach it on its standard input only.
    #[serde(default)]
    args: Vec<String>,
    /// A JSON tree for the program's standard input, as `input`; a leaf that is exactly `${params.x}` is replaced by the whole value.
    #[serde(rename = "stdin")]
    #[schemars(with = "Option<serde_json::Value>")]
    _stdin: Option<serde::de::IgnoredAny>,
    /// How long it may run; 30s unless stated, 5m at most.
    timeout: Option<Span>,
    /// How much processor time it may take; 10s unless stated.
    cpu: Option<Span>,
    /// How much address space it may have; 256MiB unless stated.
    memory: Option<Size>,
    /// How large a file may become that it writes; 16MiB unless stated.
    files: Option<Size>,
    /// How many files it may have open; 64 unless stated.
    open_files: Option<u32>,
    /// How many processes it may be; 1 unless stated, which can't start another.
    processes: Option<u32>,
    /// The files and directories it may read and execute, besides the program itself.
    #[serde(default)]
    read: Vec<String>,
    /// `confined` unless stated: kept to `read` and its working directory, and refused where the kernel can't do that.
    #[serde(default)]
    filesystem: Filesystem,
    /// Whether it may use the network.
    #[serde(default)]
    network: bool,
    /// Promises that the program acts once for one idempotency key, so that the bot may run it again.
    #[serde(default)]
    repeatable: bool,
    /// The exit codes that mean "done"; [0] unless stated.
    success: Option<Vec<u8>>,
    /// The exit codes that mean "no, and nothing was done"; none unless stated.
    refused: Option<Vec<u8>>,
}

const MAX_LIST: usize = 64;
const MAX_TEXT: usize = 4096;
/// Devices that hold nothing.
const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

struct Reader<'a> {
    node: &'a Node,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn add(&mut self, at: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(self.node.mark_at(at), message));
    }

    fn within<T: Ord + Copy + fmt::Display>(&mut self, at: &str, value: T, least: T, most: T) -> T {
        if value < least || value > most {
            let field = at.trim_start_matches('/');
            self.add(at, format!("`{field}` is `{value}`; between {least} and {most}"));
        }
        value
    }

    fn codes(&mut self, at: &str, codes: Vec<u8>) -> BTreeSet<u8> {
        let set: BTreeSet<u8> = codes.iter().copied().collect();
        if set.len() < codes.len() {
            self.add(at, "an exit code appears twice");
        }
        set
    }

    fn arg(&mut self, at: &str, arg: &str) {
        if arg.contains("${") || arg.contains("{{") {
            let message = format!(
                "`{}` is a place to fill, and arguments are literal; give the value under `stdin`, where the program reads it as JSON",
                arg.escape_debug()
            );
            self.add(at, message);
        } else if arg.len() > MAX_TEXT || arg.chars().any(char::is_control) {
            self.add(
                at,
                format!("an argument is {MAX_TEXT} bytes at most, without control characters"),
            );
        }
    }

    /// A path that means the same wherever the bot was started, and is written in one way.
    fn path(&mut self, at: &str, field: &str, path: &str) {
        let names = path.strip_prefix('/');
        let good = names.is_some_and(|names| names.split('/').all(|name| !matches!(name, "" | "." | "..")));
        if path.contains("${") || path.contains("{{") {
            self.add(
                at,
                format!("`{field}` is literal: what an agent proposes can't choose it"),
            );
        } else if !good || path.len() > MAX_TEXT || path.chars().any(char::is_control) {
            let shown: String = path.chars().take(200).flat_map(char::escape_debug).collect();
            self.add(
                at,
                format!("`{shown}` is not a path for `{field}`; write it from `/`, without `.`, `..`, doubled or final slashes"),
            );
        }
    }

    fn readable(&mut self, at: &str, path: &str) {
        let below =
            |top: &str| path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
        if path == "/" {
            self.add(
                at,
                "`/` is everything, the bot's keys included; name the directories that the program needs",
            );
        } else if below("/proc") || below("/sys") {
            let message = format!(
                "`{}` shows the bot's own process and the machine; a contained program can't read it",
                path.escape_debug()
            );
            self.add(at, message);
        } else if below("/dev") && !DEVICES.contains(&path) {
            let message = format!(
                "`{}` is more than a contained program may reach; of `/dev` only `{}`",
                path.escape_debug(),
                DEVICES.join("`, `")
            );
            self.add(at, message);
        } else {
            self.path(at, "read", path);
        }
    }
}
