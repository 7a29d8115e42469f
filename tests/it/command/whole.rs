//! A proposal with a program as its step, through the door of the real bot to the ledger.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::{contains, dir, hostile, kernel::without, libraries, script};
use crate::world::{Opened, Outside, REPO, Setup, World, story_with};

/// The rules with one more action, `crm.tool`, whose program is this.
fn setup(program: &str, more: &str) -> Setup {
    let action = format!(
        "  crm.tool:\n    summary: Run a tool\n    resource: /crm/customers/{{customer_id}}/tool\n    impact: low\n    data: [internal]\n    \
         rollback: {{ kind: restore }}\n    raci: {{ responsible: support-agent, accountable: marketing }}\n    params:\n      type: object\n      \
         required: [customer_id, text]\n      properties: {{ customer_id: {{ type: string }}, text: {{ type: string }} }}\n    \
         describe: \"Tool for {{{{ params.customer_id }}}}\"\n    checks: []\n    execute:\n      command:\n        program: {program}\n        \
         stdin: {{ text: \"${{params.text}}\" }}\n        refused: [4]\n{more}\n  # --- medium: an e-mail to many people"
    );
    Setup {
        edits: vec![
            (
                "catalog.yaml",
                "  # --- medium: an e-mail to many people",
                action.leak(),
            ),
            ("agents.yaml", "[crm.note]", "[crm.note, crm.tool]"),
        ],
        ..Setup::default()
    }
}

/// Asks for it.
fn body(text: &str) -> Value {
    json!({
        "operation": "crm.tool", "sponsor": "erin", "justification": "Ticket 88.",
        "parameters": { "customer_id": "C-1001", "text": text },
    })
}

/// The real program in place of the bot of this process, which would start this test binary again.
async fn outside(world: &mut World) -> (Outside, std::net::SocketAddr) {
    let outside = world.outside(None).await;
    let inside = std::mem::replace(&mut world.address, outside.address);
    (outside, inside)
}

/// Proposes it to the real program; what `status` tells of it.
async fn told(world: &mut World, text: &str) -> Value {
    let (outside, inside) = outside(world).await;
    let program = outside.ready().await;
    let (status, answer) = world.propose("support-agent", body(text)).await;
    assert!((200..=202).contains(&status), "{status} {answer}");
    let id = answer["id"].as_str().unwrap().to_owned();
    let told = world.status("support-agent", &id).await;
    world.address = inside;
    program.kill();
    world.start().await.unwrap();
    told
}

#[tokio::test]
async fn i23_an_action_runs_a_program_from_the_door_to_the_ledger() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let program = script(&dir, "read -r line; echo \"$line\"; exit 0");
    let more = format!("        read: [{}]\n", libraries());
    story_with(setup(&program, &more), async |world| {
        let told = told(world, "; touch owned").await;
        assert_eq!(told["state"], "executed", "{told}");
        assert_eq!(told["steps"][0]["note"], "exited with 0");
        assert_eq!(told["steps"][0]["status"], 0);
        // Nothing is left of its working directory.
        let rooms = world.data.path().join("bot/commands");
        assert_eq!(std::fs::read_dir(rooms).unwrap().count(), 0);
    })
    .await;
}

#[tokio::test]
async fn i23_not_even_an_unconfined_program_sees_the_bot_s_environment() {
    if !contains().await {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let more = format!(
        "        filesystem: unconfined\n        memory: 1GiB\n        args: [\"{}\", --exact, --nocapture, --test-threads=1]\n",
        hostile::NAME
    );
    story_with(setup(program.to_str().unwrap(), &more), async |world| {
        let act = json!({"do": "the bot's environment", "exit": 4}).to_string();
        let told = told(world, &act).await;
        assert_eq!(
            told["steps"][0]["note"], "exited with 4: Permission denied (os error 13)",
            "{told}"
        );
    })
    .await;
}

#[tokio::test]
async fn i23_a_program_that_can_t_be_contained_is_refused_on_the_record() {
    let dir = dir();
    let program = dir.path().join("none").to_str().unwrap().to_owned();
    story_with(setup(&program, ""), async |world| {
        let told = told(world, "x").await;
        assert_eq!(told["state"], "refused", "{told}");
        let note = told["steps"][0]["note"].as_str().unwrap();
        assert!(
            note.starts_with("contained: program: `") && note.ends_with("; nothing ran"),
            "{note}"
        );
    })
    .await;
}

#[tokio::test]
async fn i15_i23_where_the_kernel_can_t_contain_it_the_check_says_so_and_nothing_is_merged() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let program = script(&dir, "exit 0");
    let more = format!("        read: [{}]\n", libraries());
    let mut setup = setup(&program, &more);
    for (_, _, to) in &mut setup.edits {
        *to = to.replace("impact: low", "impact: moderate").leak();
    }
    let unseen = (
        "    preview: required           # the bot must have read what is affected\n",
        "",
    );
    setup.edits.push(("tiers.yaml", unseen.0, unseen.1));
    story_with(setup, async |world| {
        let (outside, inside) = outside(world).await;
        let outside = Arc::new(outside);
        let starting = Arc::clone(&outside);
        let mut program = without(&["landlock_create_ruleset"], move || starting.start());
        outside.answers(&mut program).await;
        let (status, answer) = world.propose("support-agent", body("x")).await;
        assert_eq!(status, 202, "{answer:#}");
        let id = answer["id"].as_str().unwrap().to_owned();
        let pull = loop {
            let told = world.status("support-agent", &id).await;
            if let Some(pull) = told["pull_request"].as_u64() {
                break pull;
            }
            program.runs();
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let opened = Opened {
            id,
            pull,
            agent: "support-agent",
        };
        world.both_later(Duration::from_secs(2));
        world.person("dave").approve(REPO, pull).unwrap();
        let check = loop {
            let check = world.check_so_far(&opened);
            if let Some(check) = check.filter(|check| check.summary.contains("1 of 1 (dave)")) {
                break check;
            }
            program.runs();
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(
            (check.conclusion.as_str(), check.title.as_str()),
            ("action_required", "Approved, waiting: it could not run")
        );
        let why = "contained: landlock: ";
        assert!(check.summary.contains(why), "{}", check.summary);
        assert_eq!(world.github.pull(REPO, pull).unwrap()["merged"], false);
        // Where the kernel can, it runs.
        program.kill();
        let mut program = outside.ready().await;
        while world.state(&opened).await != "executed" {
            program.runs();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.address = inside;
        program.kill();
        world.start().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn i23_a_program_does_not_outlive_a_bot_that_is_killed() {
    if !contains().await {
        return;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let program = std::env::current_exe().unwrap();
    let more = format!(
        "        network: true\n        memory: 1GiB\n        read: [{}]\n        args: [\"{}\", --exact, --nocapture, --test-threads=1]\n",
        libraries(),
        hostile::NAME
    );
    story_with(setup(program.to_str().unwrap(), &more), async |world| {
        let (outside, inside) = outside(world).await;
        let program = outside.ready().await;
        let act = json!({"do": "connect and wait", "text": address}).to_string();
        let request = world.request("support-agent", body(&act)).to_string();
        let headers = world.signed("support-agent", "POST", "/api/v1/proposals", request.as_bytes());
        let mut asking = reqwest::Client::new()
            .post(format!("http://{}/api/v1/proposals", outside.address))
            .header("content-type", "application/json")
            .body(request);
        for (name, value) in headers {
            asking = asking.header(name, value);
        }
        let asking = tokio::spawn(asking.send());
        let (mut held, _) = listener.accept().await.unwrap();
        program.kill();
        // Its end of the connection closes when it ends, and it waits for ever.
        assert_eq!(held.read(&mut [0; 16]).await.unwrap_or(0), 0);
        assert!(asking.await.unwrap().is_err(), "nobody answered");
        world.address = inside;
        world.start().await.unwrap();
    })
    .await;
}
