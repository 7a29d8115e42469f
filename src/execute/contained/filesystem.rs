//! What a program may read, write and reach by name: Landlock, which holds for it and everything it becomes.

use std::{fs, path::Path};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::{Cannot, Spec};

/// The first ABI that covers everything that changes a file's content (Linux 6.2).
const NEEDED: ABI = ABI::V3;
const REMEDY: &str = "Linux 6.2 or later with Landlock enabled (`lsm=landlock,...`) can; `filesystem: unconfined` in the catalog does without";

/// Whom a program may send signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signals {
    /// Whom its user may: the kernel does not keep it in.
    Anyone,
    /// Only processes that it started itself.
    Own,
}

/// Keeps this process to the files of the spec.
pub(super) fn restrict(spec: &Spec) -> Result<Signals, Cannot> {
    let cannot = |error: &dyn std::fmt::Display| Cannot::new("landlock", format!("{error}; {REMEDY}"));
    let all = AccessFs::from_all(NEEDED);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(all)
        .map_err(|error| cannot(&error))?;
    // Each also has a guard that every kernel has: the filter of system calls.
    rules = rules
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::IoctlDev | AccessFs::ResolveUnix)
        .and_then(|rules| rules.scope(Scope::AbstractUnixSocket))
        .map_err(|error| cannot(&error))?;
    if !spec.network {
        rules = rules
            .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)
            .map_err(|error| cannot(&error))?;
    }
    let (rules, signals) = scope_signals(rules, spec)?;
    let mut rules = rules
        .create()
        .map_err(|error| cannot(&error))?
        .set_compatibility(CompatLevel::HardRequirement);
    let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    // What it writes it can't execute, and devices, sockets and pipes with names are nothing to write.
    let write = all
        & !(AccessFs::Execute
            | AccessFs::MakeChar
            | AccessFs::MakeBlock
            | AccessFs::MakeSock
            | AccessFs::MakeFifo);
    rules = allow(
        rules,
        "program",
        &spec.program,
        AccessFs::ReadFile | AccessFs::Execute,
    )?;
    for path in &spec.read {
        rules = allow(rules, "read", path, read)?;
    }
    rules = allow(rules, "directory", &spec.directory, write)?;
    rules = allow(
        rules,
        "read",
        "/dev/null",
        AccessFs::ReadFile | AccessFs::WriteFile,
    )?;
    let status = rules.restrict_self().map_err(|error| cannot(&error))?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(cannot(&"the kernel does not enforce it"));
    }
    Ok(signals)
}

/// Several processes need signals among each other, so that the filter of system calls can't keep them in.
fn scope_signals(rules: Ruleset, spec: &Spec) -> Result<(Ruleset, Signals), Cannot> {
    let scoped = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(Scope::Signal);
    match scoped {
        Ok(_) => {
            let rules = rules
                .scope(Scope::Signal)
                .map_err(|error| Cannot::new("signals", error))?;
            Ok((rules, Signals::Own))
        }
        Err(_) if spec.processes > 1 => Err(Cannot::new(
            "signals",
            "the kernel can't keep the signals of several processes in; Linux 6.12 or later can, or write `processes: 1`",
        )),
        Err(_) => Ok((rules, Signals::Anyone)),
    }
}

fn allow(
    rules: RulesetCreated,
    field: &str,
    path: &str,
    access: impl Into<BitFlags<AccessFs>>,
) -> Result<RulesetCreated, Cannot> {
    let cannot = |why: String| Cannot::new(field, format!("`{path}`: {why}"));
    let is_directory = fs::metadata(Path::new(path))
        .map_err(|error| cannot(error.to_string()))?
        .is_dir();
    let mut access = access.into();
    if !is_directory {
        access &= AccessFs::from_file(NEEDED);
    }
    let opened = PathFd::new(path).map_err(|error| cannot(error.to_string()))?;
    rules
        .add_rule(PathBeneath::new(opened, access))
        .map_err(|error| cannot(error.to_string()))
}
