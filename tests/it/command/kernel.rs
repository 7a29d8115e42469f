//! Where something can't be enforced, nothing runs.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use countersign::{
    domain::policy::Policy,
    execute::{Client, Commands, Tools, contained::Spec, preflight},
};
use serde_json::{Value, json};

use super::{contains, dir, libraries, running, script};
use crate::execute::{act_on, claim, commands, key, no_ledger, now, propose, told, untold};

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

/// Does something on a thread for which these system calls are not there, as on a kernel without them; nor are they for what
/// it starts.
pub(crate) fn without<T: Send + 'static>(calls: &[&str], work: impl FnOnce() -> T + Send + 'static) -> T {
    let list: Vec<Value> = calls.iter().map(|name| json!({ "syscall": name })).collect();
    let filter =
        json!({ "it": { "mismatch_action": "allow", "match_action": { "errno": 38 }, "filter": list } });
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let mut filters = seccompiler::compile_from_json(filter.to_string().as_bytes(), arch).unwrap();
    let filter = filters.remove("it").unwrap();
    let thread = std::thread::spawn(move || {
        seccompiler::apply_filter(&filter).unwrap();
        work()
    });
    thread.join().unwrap()
}

fn act(policy: Policy) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let proposal = propose(&policy, &[json!({"name": "x"})]).await;
        let ran = told(&act_on(&policy, &proposal).await);
        let (client, key) = (Client::new().unwrap(), key());
        let tools = Tools {
            client: &client,
            commands: commands(),
            workflows: &crate::execute::workflows::Nowhere,
            policy: &policy,
            key: Some(&key),
            signature: None,
            clock: &now,
            frozen: &|| false,
            thaw: &|freeze| no_ledger(freeze),
        };
        // What the executor would meet after the merge, the gate meets before it. INVARIANT i15.
        let before = preflight(&proposal, proposal.binding.items.iter(), &tools).await;
        match before {
            Ok(()) => format!("fit; {ran}"),
            Err(unfit) => format!("{unfit}; {ran}"),
        }
    })
}

#[test]
fn i23_without_landlock_nothing_runs() {
    let dir = dir();
    let mark = dir.path().join("mark");
    let policy = running(&script(&dir, &format!("echo x > {}", mark.display())), "");
    let told = without(&["landlock_create_ruleset"], || act(policy));
    assert!(told.starts_with("contained: landlock: "), "{told}");
    assert!(told.contains("refused [refused: contained: landlock: "), "{told}");
    assert!(
        told.contains("`filesystem: unconfined` in the catalog does without; nothing ran"),
        "{told}"
    );
    assert!(!mark.exists());
}

#[test]
fn i23_without_landlock_what_the_catalog_leaves_unconfined_runs_with_the_rest() {
    let dir = dir();
    let program = script(&dir, "ulimit -n");
    let policy = crate::execute::policy(
        &format!("steps:\n- name: run\n  command: {{ program: {program}, filesystem: unconfined }}\n"),
        None,
    );
    let told = without(&["landlock_create_ruleset"], || act(policy));
    assert_eq!(told, "fit; executed [executed: exited with 0]");
}

#[test]
fn i23_without_seccomp_nothing_runs() {
    let dir = dir();
    for filesystem in ["confined", "unconfined"] {
        let program = script(&dir, "exit 0");
        let read = if filesystem == "confined" {
            format!(", read: [{}]", libraries())
        } else {
            String::new()
        };
        let policy = crate::execute::policy(
            &format!(
                "steps:\n- name: run\n  command: {{ program: {program}, filesystem: {filesystem}{read} }}\n"
            ),
            None,
        );
        let told = without(&["seccomp"], || act(policy));
        assert!(told.starts_with("contained: "), "{told}");
        assert!(
            told.contains("nothing ran; refused [refused: contained: "),
            "{told}"
        );
        assert!(told.contains("seccomp") || told.contains("landlock"), "{told}");
    }
}

#[tokio::test]
async fn i23_what_is_not_there_or_is_no_program_is_refused() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "echo a shell would run this\n").unwrap();
    std::fs::set_permissions(&plain, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (program, more, why) in [
        (dir.path().join("none"), "", "contained: program: "),
        (plain, "", "is neither a program nor a script"),
        (dir.path().to_owned(), "", "is not a file"),
    ] {
        let policy = running(program.to_str().unwrap(), more);
        let proposal = propose(&policy, &[json!({"name": "x"})]).await;
        let told = told(&act_on(&policy, &proposal).await);
        assert!(
            told.starts_with("refused [refused: contained: program: "),
            "{told}"
        );
        assert!(told.contains(why) && told.ends_with("; nothing ran]"), "{told}");
    }
    // Its interpreter is not among what it may read.
    let program = script(&dir, "exit 0");
    let policy = crate::execute::policy(
        &format!("steps:\n- name: run\n  command: {{ program: {program} }}\n"),
        None,
    );
    let proposal = propose(&policy, &[json!({"name": "x"})]).await;
    let told = told(&act_on(&policy, &proposal).await);
    assert!(told.contains("does `read` name everything it needs"), "{told}");
}

#[tokio::test]
async fn i23_the_bot_s_own_data_can_t_be_given_away() {
    let dir = dir();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let inside = data.join("inside");
    std::fs::create_dir(&inside).unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    let program = script(&dir, "exit 0");
    let own = [data.clone()];
    for path in [dir.path(), &data, &inside, &link] {
        let policy = crate::execute::policy(
            &format!(
                "steps:\n- name: run\n  command: {{ program: {program}, read: [{}] }}\n",
                path.display()
            ),
            None,
        );
        let proposal = propose(&policy, &[json!({"name": "x"})]).await;
        let (client, key) = (Client::new().unwrap(), key());
        let commands = Commands::new(dir.path().join("rooms"), own.clone()).launched_by(BINARY);
        let tools = Tools {
            client: &client,
            commands: &commands,
            workflows: &crate::execute::workflows::Nowhere,
            policy: &policy,
            key: Some(&key),
            signature: None,
            clock: &now,
            frozen: &|| false,
            thaw: &|freeze| no_ledger(freeze),
        };
        let ran = countersign::execute::run(claim(&policy, &proposal).unwrap(), &[], &tools, &untold).await;
        let told = told(&ran);
        assert!(
            told.contains("where the bot keeps its own data or keys"),
            "{}: {told}",
            path.display()
        );
    }
}

/// A spec that a launcher can start with.
fn spec(program: &str, directory: &Path) -> Spec {
    Spec {
        token: "t".into(),
        parent: std::process::id(),
        program: program.into(),
        args: Vec::new(),
        directory: directory.to_str().unwrap().into(),
        read: libraries().split(", ").map(Into::into).collect(),
        confined: true,
        network: false,
        processes: 1,
        cpu: 10,
        memory: 256 << 20,
        files: 1 << 20,
        open_files: 64,
        probe: false,
    }
}

/// What a launcher says and exits with, started by this command.
fn launched(mut command: Command, spec: &Spec) -> (String, Option<i32>) {
    let mut child = command
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // It may give up before it has read everything.
    let _ = input.write_all(&spec.to_bytes().unwrap());
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (said, output.status.code())
}

fn launcher() -> Command {
    let mut command = Command::new(BINARY);
    command.arg("--contained");
    command
}

#[tokio::test]
async fn i23_a_descriptor_that_the_bot_was_started_with_is_not_handed_on() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let text = "if read -r line <&7; then echo \"$line\"; fi 2>/dev/null; echo nothing";
    let spec = spec(&script(&dir, text), dir.path());
    let mut leaky = Command::new("/bin/sh");
    leaky.args(["-c", &format!("exec {BINARY} --contained 7</etc/passwd")]);
    assert_eq!(launched(leaky, &spec), ("nothing\n".to_owned(), Some(0)));
}

#[test]
fn i23_an_executor_that_is_gone_starts_nothing() {
    let dir = dir();
    let mut spec = spec(&script(&dir, "exit 0"), dir.path());
    spec.parent = 1;
    let (said, code) = launched(launcher(), &spec);
    assert_eq!(code, Some(125));
    assert!(said.contains("the executor that started this is gone"), "{said}");
}

#[test]
fn by_hand_it_does_nothing() {
    let mut child = launcher()
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no program to run was given"), "{said}");
}

#[test]
fn i23_several_processes_of_user_0_are_refused() {
    let dir = dir();
    let mut spec = spec(&script(&dir, "exit 0"), dir.path());
    spec.processes = 2;
    if rustix::process::getuid().is_root() {
        let (said, code) = launched(launcher(), &spec);
        assert_eq!(code, Some(125));
        assert!(said.contains("the bot runs as user 0"), "{said}");
    }
    // A launcher whose file another process replaced is still this one.
    assert!(launcher().arg0("other").status().is_ok());
}
