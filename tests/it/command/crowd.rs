//! Programs that may be several processes: bounded, and ended together.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use super::{contains, dir, run, running, said, script};
use crate::execute::told;

/// User 0's processes are not counted by the kernel, so as that user a test of several runs again as nobody.
fn as_nobody(test: &str) -> bool {
    if !rustix::process::getuid().is_root() {
        return false;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .current_dir("/")
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    eprintln!("{said}");
    true
}

/// Whether the kernel keeps the signals of several processes in; where it can't, several are refused.
fn scoped(told: &str) -> bool {
    let refused = told.contains("can't keep the signals of several processes in");
    if refused {
        assert!(told.ends_with("; nothing ran]"), "{told}");
        eprintln!("SKIPPED, several processes are refused on this kernel: {told}");
    }
    !refused
}

#[tokio::test]
async fn i23_a_fork_bomb_is_bounded_and_ended() {
    if as_nobody("command::crowd::i23_a_fork_bomb_is_bounded_and_ended") || !contains().await {
        return;
    }
    let dir = dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Doubles for as long as it can, and says how often it could.
    let bomb = script(&dir, "b() { echo x; b & b & wait; }\nb 2>/dev/null; exit 0");
    let ran = run(&running(&bomb, "    processes: 8\n    timeout: 3s\n"), "").await;
    let told = told(&ran);
    if !scoped(&told) {
        return;
    }
    assert!(
        told.starts_with("unknown: ") || told.starts_with("executed "),
        "{told}"
    );
    let alive = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&bomb)
    });
    assert_eq!(alive.count(), 0, "nothing of it is left");
}

#[tokio::test]
async fn i23_what_it_leaves_behind_is_ended_with_it() {
    if as_nobody("command::crowd::i23_what_it_leaves_behind_is_ended_with_it") || !contains().await {
        return;
    }
    let dir = dir();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let text = "(while :; do :; done) & echo $!; exit 0";
    let ran = run(&running(&script(&dir, text), "    processes: 4\n"), "").await;
    let told = told(&ran);
    if !scoped(&told) {
        return;
    }
    assert_eq!(told, "executed [executed: exited with 0]");
    let left = said(&ran).trim().to_owned();
    assert!(left.parse::<u32>().is_ok(), "{left}");
    // What is killed stays in the list until somebody takes note of it.
    let is_dead = || {
        let stat = fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_none_or(|state| state.is_empty() || state.starts_with(['Z', 'X']))
    };
    while !is_dead() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
