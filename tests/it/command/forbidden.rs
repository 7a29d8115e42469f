//! What a contained program may not touch.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use serde_json::json;

use super::{contains, dir, tries};

const DENIED: &str = "Permission denied (os error 13)";
const ABSENT: &str = "Function not implemented (os error 38)";

#[tokio::test]
async fn i23_it_has_its_own_directory_and_that_is_gone_afterwards() {
    if !contains().await {
        return;
    }
    let (told, came) = tries(&json!({"do": "own"}), "").await;
    assert_eq!(told, "executed [executed: exited with 0]");
    let room = came
        .strip_prefix("done: x 2 ")
        .unwrap_or_else(|| panic!("{came}"));
    assert!(!std::path::Path::new(room).exists(), "{room}");
}

#[tokio::test]
async fn i23_it_reads_and_writes_nothing_else() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let file = dir.path().join("secret");
    fs::write(&file, "the bot's").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let new = dir.path().join("new");
    let room = std::env::temp_dir();
    for (what, path) in [
        ("read", file.to_str().unwrap()),
        ("read", "/etc/passwd"),
        ("read", "/proc/self/environ"),
        ("read", "/proc/version"),
        ("list", "/"),
        ("list", "/proc"),
        ("list", dir.path().to_str().unwrap()),
        ("list", room.to_str().unwrap()),
        ("list", ".."),
        ("write", new.to_str().unwrap()),
        ("write", "../new"),
        ("append", file.to_str().unwrap()),
        ("truncate", file.to_str().unwrap()),
        ("remove", file.to_str().unwrap()),
        ("by symlink", file.to_str().unwrap()),
        ("by symlink", "/etc/passwd"),
        ("execute what it wrote", "/"),
        ("the bot's environment", "/"),
    ] {
        let (_, came) = tries(&json!({"do": what, "path": path}), "").await;
        assert_eq!(came, DENIED, "{what} {path}");
    }
    for what in ["rename", "link"] {
        let (_, came) = tries(&json!({"do": what, "path": file}), "").await;
        // Either way: the kernel says that it is another file system, so that programs copy instead.
        assert!(
            came == DENIED || came.starts_with("Invalid cross-device link"),
            "{what}: {came}"
        );
    }
    let (_, came) = tries(&json!({"do": "by symlink", "text": "write", "path": new}), "").await;
    assert_eq!(came, DENIED);
    // What Landlock does not guard is not there at all.
    for what in ["chmod", "times"] {
        let program = std::env::current_exe().unwrap();
        let (_, came) = tries(&json!({"do": what, "path": program}), "").await;
        assert_eq!(came, ABSENT, "{what}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "the bot's");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn i23_it_reads_what_the_catalog_names() {
    if !contains().await {
        return;
    }
    let (_, came) = tries(&json!({"do": "read", "path": "/dev/null"}), "").await;
    assert_eq!(came, "done: ");
}

#[tokio::test]
async fn i23_it_has_no_network_unless_the_catalog_says_so() {
    if !contains().await {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dir = dir();
    let path = dir.path().join("socket");
    let _unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    for (what, text) in [
        ("tcp", address.as_str()),
        ("udp", &address),
        ("unix", ""),
        ("unix datagram", ""),
    ] {
        let (_, came) = tries(&json!({"do": what, "text": text, "path": path}), "").await;
        assert_eq!(came, ABSENT, "{what}");
    }
    let network = "    network: true\n";
    for what in ["tcp", "udp"] {
        let (_, came) = tries(&json!({"do": what, "text": address}), network).await;
        assert_eq!(came, "done", "{what}");
    }
    // A socket of the machine, such as that of a container engine, is no network.
    for what in ["unix", "unix datagram"] {
        let (_, came) = tries(&json!({"do": what, "path": path}), network).await;
        assert_eq!(came, ABSENT, "{what}");
    }
    let (_, came) = tries(&json!({"do": "stream pair"}), "").await;
    assert_eq!(came, "done");
}

#[tokio::test]
async fn i23_it_can_t_reach_the_bot_s_process() {
    if !contains().await {
        return;
    }
    let (_, came) = tries(&json!({"do": "kill the bot"}), "").await;
    assert!(
        came.starts_with("Operation not permitted") || came == ABSENT,
        "{came}"
    );
    for what in [
        "limit the bot",
        "leave the session",
        "leave the group",
        "outlive the bot",
        "unshare",
    ] {
        let (_, came) = tries(&json!({"do": what}), "").await;
        assert_eq!(came, ABSENT, "{what}");
    }
}

#[tokio::test]
async fn i23_it_has_no_privileges_even_as_user_0() {
    if !contains().await {
        return;
    }
    let (_, came) = tries(&json!({"do": "capabilities"}), "").await;
    assert_eq!(came, "0 0");
    let (_, came) = tries(&json!({"do": "new privileges"}), "").await;
    assert_eq!(came, "true");
}

#[tokio::test]
async fn i23_one_process_can_t_become_two() {
    if !contains().await {
        return;
    }
    let (_, came) = tries(&json!({"do": "start a process"}), "").await;
    assert_eq!(came, ABSENT);
    let (_, came) = tries(&json!({"do": "start a thread"}), "").await;
    assert_eq!(came, "done");
}

#[tokio::test]
async fn i23_unconfined_it_still_can_t_look_into_the_bot_nor_touch_modes() {
    if !contains().await {
        return;
    }
    // This test stands for the bot, which hides itself when it serves.
    countersign::execute::contained::hide().unwrap();
    let open = "    filesystem: unconfined\n";
    let program = std::env::current_exe().unwrap();
    let more = |text: &str| {
        let args = format!(
            "[\"{}\", --exact, --nocapture, --test-threads=1]",
            super::hostile::NAME
        );
        format!(
            "steps:\n- name: run\n  command:\n    program: {}\n    args: {args}\n    memory: 1GiB\n    stdin: {{ text: \"${{params.text}}\" }}\n{text}",
            program.display()
        )
    };
    let policy = crate::execute::policy(&more(open), None);
    for (what, answer) in [
        ("the bot's environment", DENIED),
        ("chmod", ABSENT),
        ("kill the bot", "Operation not permitted (os error 1)"),
        ("limit the bot", ABSENT),
        ("start a process", ABSENT),
        ("tcp", ABSENT),
    ] {
        let act = json!({"do": what, "path": program, "text": "127.0.0.1:1"});
        let said = super::said(&super::run(&policy, &act.to_string()).await);
        let came = said
            .lines()
            .find_map(|line| line.strip_prefix(super::hostile::MARK));
        let came = came.unwrap_or("nothing");
        assert!(
            came == answer || (what == "kill the bot" && came == ABSENT),
            "{what}: {came}"
        );
    }
    let act = json!({"do": "read", "path": "/proc/version"});
    let said = super::said(&super::run(&policy, &act.to_string()).await);
    assert!(
        said.contains("done: Linux"),
        "that is what unconfined means: {said}"
    );
}
