//! What a program may use at most.

use serde_json::json;

use super::{contains, dir, run, running, said, script, tries};
use crate::execute::told;

#[tokio::test]
async fn i23_memory_files_and_descriptors_end() {
    if !contains().await {
        return;
    }
    let (told, came) = tries(&json!({"do": "memory"}), "").await;
    assert_eq!(told, "executed [executed: exited with 0]");
    let mib: usize = came
        .strip_suffix(" MiB")
        .unwrap_or_else(|| panic!("{came}"))
        .parse()
        .unwrap();
    assert!(mib < 1024, "{came}");
    let (_, came) = tries(&json!({"do": "open files"}), "    open_files: 32\n").await;
    assert!(came.parse::<usize>().unwrap() < 32, "{came}");
}

#[tokio::test]
async fn i23_a_file_beyond_its_limit_ends_it() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let text = "x=xxxxxxxxxxxxxxxx; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; while printf '%s' $x; do :; done > file; exit 3";
    let ran = run(&running(&script(&dir, text), "    files: 64KiB\n"), "").await;
    assert_eq!(
        told(&ran),
        "unknown: item `1`: step `run`: was killed for a file of more than 64KiB []"
    );
}

#[tokio::test]
async fn i23_many_files_beyond_their_limit_end_it() {
    if !contains().await {
        return;
    }
    let (told, _) = tries(&json!({"do": "many files"}), "    files: 256KiB\n    cpu: 60s\n").await;
    assert_eq!(
        told,
        "unknown: item `1`: step `run`: wrote more into its working directory than four times `files` and was killed []"
    );
}

#[tokio::test]
async fn i23_an_endless_loop_runs_out_of_processor_time() {
    if !contains().await {
        return;
    }
    let (told, _) = tries(&json!({"do": "loop"}), "    cpu: 1s\n").await;
    assert_eq!(
        told,
        "unknown: item `1`: step `run`: was killed after 1s of processor time []"
    );
}

#[tokio::test]
async fn i23_an_endless_wait_runs_out_of_time() {
    if !contains().await {
        return;
    }
    let (told, _) = tries(&json!({"do": "wait"}), "    timeout: 1s\n").await;
    assert_eq!(
        told,
        "unknown: item `1`: step `run`: did not end in time and was killed []"
    );
}

#[tokio::test]
async fn i23_endless_output_is_cut_off_and_ends_it() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let text = "x=xxxxxxxxxxxxxxxx; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; while printf '%s' $x; do :; done";
    for where_to in ["", " >&2"] {
        let ran = run(
            &running(
                &script(&dir, &format!("{{ {text}; }}{where_to}")),
                "    cpu: 60s\n",
            ),
            "",
        )
        .await;
        let told = told(&ran);
        assert!(
            told.starts_with("unknown: item `1`: step `run`: said more than 16 MiB and was killed"),
            "{}",
            &told[..200.min(told.len())]
        );
    }
}

#[tokio::test]
async fn a_long_answer_is_not_kept_and_the_exit_code_holds() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let text = "x=xxxxxxxxxxxxxxxx; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x; i=0; while [ $i -lt 40 ]; do printf '%s' $x; i=$((i+1)); done";
    let ran = run(&running(&script(&dir, text), ""), "").await;
    assert_eq!(
        told(&ran),
        "executed [executed: exited with 0; the answer is larger than 1 MiB and was not kept]"
    );
    assert_eq!(said(&ran), "");
}

#[tokio::test]
async fn a_program_need_not_read_what_it_is_given() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let text = "y".repeat(300_000);
    let ran = run(&running(&script(&dir, "exit 0"), ""), &text).await;
    assert_eq!(told(&ran), "executed [executed: exited with 0]");
}

#[tokio::test]
async fn a_program_may_have_less_memory_than_the_bot_itself() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let ran = run(&running(&script(&dir, "exit 0"), "    memory: 16MiB\n"), "").await;
    assert_eq!(told(&ran), "executed [executed: exited with 0]");
}
