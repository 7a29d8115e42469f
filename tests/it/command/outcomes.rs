//! What a program is given, and what its end means.

use serde_json::{Value, json};

use super::{contains, dir, run, running, said, script, tries};
use crate::execute::{act_on, policy, propose, told};

#[tokio::test]
async fn i23_parameters_are_json_on_standard_input_and_nowhere_else() {
    if !contains().await {
        return;
    }
    let dir = dir();
    // Every variable, every argument, and every line of input as it came.
    let text = "export; echo \"args: $*\"; while IFS= read -r line || [ -n \"$line\" ]; do printf '%s\\n' \"$line\"; done";
    let program = script(&dir, text);
    let policy = running(&program, "    args: [\"--fixed\", \"a b; $(id)\"]\n");
    for hostile in [
        "; rm -rf /",
        "$(touch /tmp/owned)",
        "`id`",
        "a\nb\r\n",
        "nul\0byte",
        "--flag=x",
        "../../etc/passwd",
        "'\"\\ ${IFS} %n %s",
        "${params.name}",
        "\u{202e}\u{feff}",
    ] {
        let ran = run(&policy, hostile).await;
        let said = said(&ran);
        let (before, input) = said
            .split_once("args: ")
            .unwrap_or_else(|| panic!("{} {said}", told(&ran)));
        // What the shell sets by itself; nothing was there.
        let own = ["PWD", "OLDPWD", "_", "SHLVL", "PATH"];
        for variable in before.lines() {
            assert!(
                own.iter()
                    .any(|own| variable.starts_with(&format!("export {own}"))),
                "{variable}"
            );
        }
        let (args, input) = input.split_once('\n').unwrap();
        assert_eq!(args, "--fixed a b; $(id)");
        let input: Value = serde_json::from_str(input).unwrap();
        let proposal = input["proposal"].as_str().unwrap();
        assert_eq!(
            input,
            json!({
                "proposal": proposal,
                "item": "1",
                "idempotency_key": format!("{proposal}/1/run"),
                "input": { "name": "x", "text": hostile },
            })
        );
    }
    assert!(!std::path::Path::new("/tmp/owned").exists());
}

#[tokio::test]
async fn i23_exit_codes_mean_what_the_catalog_says_and_nothing_else() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let ends = |more: &'static str, text: &'static str| {
        let program = script(&dir, text);
        async move { told(&run(&running(&program, more), "").await) }
    };
    let codes = "    success: [0, 3]\n    refused: [4]\n";
    assert_eq!(ends("", "exit 0").await, "executed [executed: exited with 0]");
    assert_eq!(ends(codes, "exit 3").await, "executed [executed: exited with 3]");
    assert_eq!(
        ends(codes, "echo no such customer >&2; exit 4").await,
        "refused [refused: exited with 4: no such customer]"
    );
    assert_eq!(
        ends("", "echo oops >&2; exit 1").await,
        "unknown: item `1`: step `run`: exited with 1: oops []"
    );
    assert_eq!(
        ends("", "kill -9 $$").await,
        "unknown: item `1`: step `run`: was killed by signal 9 []"
    );
}

#[tokio::test]
async fn i23_a_program_cant_say_that_nothing_ran() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let report = r#"{"token":"","error":{"step":"landlock","why":"x"}}"#;
    let program = script(&dir, &format!("printf '%s' '{report}'; exit 125"));
    let ran = run(&running(&program, ""), "").await;
    assert_eq!(told(&ran), "unknown: item `1`: step `run`: exited with 125 []");
}

#[tokio::test]
async fn i21_an_unclear_run_is_repeated_only_where_that_is_promised() {
    if !contains().await {
        return;
    }
    // It acts, by a connection that can be counted, and then fails in a way that the catalog does not know.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let act = json!({"do": "tcp", "text": listener.local_addr().unwrap().to_string(), "exit": 75});
    for (promise, times) in [("", 1), ("    repeatable: true\n", 3)] {
        let (told, _) = tries(&act, &format!("    network: true\n{promise}")).await;
        assert_eq!(told, "unknown: item `1`: step `run`: exited with 75: done []");
        assert_eq!(
            std::iter::from_fn(|| listener.accept().ok()).count(),
            times,
            "{promise}"
        );
    }
}

#[tokio::test]
async fn i23_a_program_does_not_outlive_its_execution() {
    if !contains().await {
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let act = json!({"do": "connect and wait", "text": listener.local_addr().unwrap().to_string()});
    let running = tokio::spawn(async move { tries(&act, "    network: true\n").await });
    let (mut held, _) = listener.accept().await.unwrap();
    running.abort();
    // Its end of the connection closes when it ends, and it waits for ever.
    let read = tokio::io::AsyncReadExt::read(&mut held, &mut [0; 16]).await;
    assert_eq!(read.unwrap_or(0), 0);
}

#[tokio::test]
async fn i29_a_program_that_knows_a_sealed_value_is_not_quoted() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let program = script(&dir, "read -r line; echo \"$line\"; echo \"$line\" >&2; exit 4");
    let policy = policy(
        &format!(
            "steps:\n- name: run\n  command:\n    program: {program}\n    read: [{}]\n    refused: [4]\n    stdin: {{ to: \"${{params.secret}}\" }}\n",
            super::libraries()
        ),
        None,
    );
    let secret = "DE89370400440532013000";
    let proposal = propose(&policy, &[json!({"name": "x", "secret": secret})]).await;
    let ran = act_on(&policy, &proposal).await;
    assert_eq!(told(&ran), "refused [refused: exited with 4]");
    assert!(said(&ran).contains(secret), "it was given the value itself");
    assert!(!format!("{ran:?}").contains(secret));
}

#[tokio::test]
async fn a_failed_program_is_undone_by_another() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let program = script(
        &dir,
        "read -r line; case $line in *undo*) echo undone;; *) echo done;; esac",
    );
    let other = super::dir();
    let fails = script(&other, "exit 4");
    let read = super::libraries();
    let command = |program: &str, more: &str| {
        format!(
            "command: {{ program: {program}, read: [{read}], refused: [4], stdin: {{ what: \"{more}\" }} }}"
        )
    };
    let policy = policy(
        &format!(
            "steps:\n- name: a\n  {}\n  undo: {{ {} }}\n- name: b\n  {}\n",
            command(&program, "do"),
            command(&program, "undo"),
            command(&fails, "do")
        ),
        None,
    );
    let ran = run(&policy, "").await;
    assert_eq!(
        told(&ran),
        "undone [executed: exited with 0; refused: exited with 4; executed: exited with 0]"
    );
    assert_eq!(said(&ran), "done\nundone\n");
}
