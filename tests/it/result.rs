//! What an agent gets of what it asked for, and who gets nothing.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use countersign::domain::ids::Digest;
use serde_json::{Value, json};

use crate::{
    cli::countersign,
    vault::{Mood, SECRET, Vault, jot, keep},
    world::{Opened, REPO, World, payment, secret_file, story, story_with},
};

async fn result(world: &World, agent: &str, id: &str) -> (u16, Value) {
    let path = format!("/api/v1/proposals/{id}/result");
    world.send(agent, "GET", &path, "application/json", b"").await
}

/// The commitments of a proposal's end, as the ledger has them.
fn committed(world: &World, of: &Opened) -> Vec<Value> {
    let finished = world
        .about(of)
        .into_iter()
        .find(|entry| entry["kind"] == "finished");
    let steps = finished.unwrap()["body"]["steps"].as_array().unwrap().clone();
    steps.into_iter().map(|step| step["response"].clone()).collect()
}

fn holds(item: &Value) -> bool {
    let mut bytes = hex::decode(item["salt"].as_str().unwrap()).unwrap();
    bytes.extend(BASE64.decode(item["bytes"].as_str().unwrap()).unwrap());
    json!(Digest::of(&bytes)) == item["commitment"]
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_the_answer_is_the_proposing_agent_s_alone_and_is_what_the_ledger_is_committed_to() {
    let vault = Vault::start().await;
    story_with(vault.setup(), async |world| {
        let kept = world.open("payments-agent", keep()).await;
        let (status, told) = result(world, kept.agent, &kept.id).await;
        assert_eq!(
            (status, &told["type"]),
            (409, &json!("urn:countersign:problem:not-yet"))
        );
        world.approve("bob", &kept).await;
        assert_eq!(world.state(&kept).await, "executed");
        let (status, told) = result(world, kept.agent, &kept.id).await;
        assert_eq!(status, 200, "{told:#}");
        assert_eq!(
            (&told["state"], &told["refusal"]),
            (&json!("executed"), &Value::Null)
        );
        let [item] = told["items"].as_array().unwrap().as_slice() else {
            panic!("{told:#}")
        };
        assert_eq!(
            (&item["item"], &item["outcome"], &item["status"]),
            (&json!("1"), &json!("executed"), &json!(201))
        );
        assert_eq!(item["content_type"], "application/json");
        assert_eq!(
            item["body"],
            json!({ "kept": { "name": "account", "value": SECRET } })
        );
        assert_eq!(vec![item["commitment"].clone()], committed(world, &kept));
        assert!(holds(item));
        // Who did not propose it is told what is told of what there is not.
        let strange = result(world, "campaign-agent", &kept.id).await;
        let nothing = world
            .send(
                "campaign-agent",
                "GET",
                &format!("/api/v1/proposals/{}", kept.id),
                "",
                b"",
            )
            .await;
        assert_eq!(strange, nothing);
        assert_eq!(strange.0, 404);
        let path = format!("/api/v1/proposals/{}/result", kept.id);
        assert_eq!(world.raw("GET", &path, &[], Vec::new()).await.0, 401);
        for id in ["x", "01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            assert_eq!(result(world, kept.agent, id).await.0, 404);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_json_comes_as_its_bytes_and_a_low_tier_one_too() {
    let vault = Vault::start().await;
    vault.says(Mood::Text);
    story_with(vault.setup(), async |world| {
        let (status, told) = world.propose("payments-agent", jot()).await;
        assert_eq!((status, &told["state"]), (201, &json!("executed")), "{told:#}");
        // Whether or not the ledger has it already.
        for _ in 0..2 {
            let (status, told) = result(world, "payments-agent", told["id"].as_str().unwrap()).await;
            assert_eq!(status, 200, "{told:#}");
            let item = &told["items"][0];
            assert_eq!(item.get("body"), None);
            assert!(
                BASE64
                    .decode(item["bytes"].as_str().unwrap())
                    .unwrap()
                    .starts_with(b"kept\n{")
            );
            assert!(holds(item));
            world.sweep().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_its_rule_and_what_would_satisfy_it() {
    let vault = Vault::start().await;
    vault.says(Mood::Refuses);
    story_with(vault.setup(), async |world| {
        let refused = world.open("payments-agent", keep()).await;
        world.approve("bob", &refused).await;
        let (status, told) = result(world, refused.agent, &refused.id).await;
        assert_eq!((status, &told["state"]), (200, &json!("refused")), "{told:#}");
        assert_eq!(told["refusal"]["rule"], "target");
        assert_eq!(
            told["items"][0]["body"]["error"],
            format!("will not keep \"{SECRET}\"")
        );
        let denied = world.payment().await;
        world.person("alice").close(REPO, denied.pull).unwrap();
        world.settle().await;
        let (status, told) = result(world, denied.agent, &denied.id).await;
        assert_eq!(status, 200, "{told:#}");
        assert_eq!(told["refusal"]["rule"], "denied");
        assert!(
            told["refusal"]["satisfy"]
                .as_str()
                .unwrap()
                .contains("propose it anew")
        );
        assert_eq!(told.get("items"), None);
        // What a target answered stands nowhere that people read.
        let said =
            world.answers(&refused).concat() + &world.check(&refused).summary + &world.subjects().join("\n");
        assert!(!said.contains(SECRET), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_when_their_time_is_over_and_keys_of_sealed_values_stay() {
    let vault = Vault::start().await;
    story_with(vault.setup(), async |world| {
        let kept = world.open("payments-agent", keep()).await;
        world.approve("bob", &kept).await;
        let (_, jotted) = world.propose("payments-agent", jot()).await;
        let low = jotted["id"].as_str().unwrap().to_owned();
        world.both_later(Duration::from_secs(29 * 24 * 3_600));
        world.sweep().await;
        assert_eq!(result(world, kept.agent, &kept.id).await.0, 200);
        world.both_later(Duration::from_secs(24 * 3_600));
        world.sweep().await;
        for id in [&kept.id, &low] {
            let (status, told) = result(world, kept.agent, id).await;
            assert_eq!(
                (status, &told["type"]),
                (410, &json!("urn:countersign:problem:expired")),
                "{told:#}"
            );
        }
        let keys = world.bot.store().keys();
        assert!(keys.get(kept.id.parse().unwrap()).await.unwrap().is_some());
        assert!(keys.get(low.parse().unwrap()).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_shows_a_result_and_finds_one_that_is_not_the_ledger_s() {
    let vault = Vault::start().await;
    story_with(vault.setup(), async |world| {
        let kept = world.open("payments-agent", keep()).await;
        let key = world.data.path().join("agent");
        secret_file(&key, &world.agent_key("payments-agent"));
        let server = format!("http://{}", world.address);
        let run = |id: &str, more: &[&str]| {
            let mut command = countersign();
            command.args([
                "result",
                id,
                "--server",
                &server,
                "--agent",
                "payments-agent",
                "--key",
            ]);
            command.arg(&key).args(more);
            let output = command.output().unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (
                output.status.code().unwrap(),
                text(output.stdout),
                text(output.stderr),
            )
        };
        let (code, _, err) = tokio::task::block_in_place(|| run(&kept.id, &[]));
        assert!(code == 1 && err.contains("there is no result yet (409)"), "{err}");
        world.approve("bob", &kept).await;
        let (code, out, err) = tokio::task::block_in_place(|| run(&kept.id, &[]));
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(
            out.contains("1: executed, 201 Created") && out.contains(SECRET),
            "{out}"
        );
        assert!(out.contains("as the ledger is committed to"), "{out}");
        let (code, out, _) = tokio::task::block_in_place(|| run(&kept.id, &["--json"]));
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, told), (0, result(world, kept.agent, &kept.id).await.1));
        let denied = world.payment().await;
        world.person("alice").close(REPO, denied.pull).unwrap();
        world.settle().await;
        let (code, out, _) = tokio::task::block_in_place(|| run(&denied.id, &[]));
        assert!(code == 3 && out.contains("denied"), "{out}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_an_answer_is_sealed_in_the_database() {
    story(async |world| {
        let paid = world.open("payments-agent", payment()).await;
        world.approve("alice", &paid).await;
        world.approve("bob", &paid).await;
        let (status, told) = result(world, paid.agent, &paid.id).await;
        assert_eq!(
            (status, &told["items"][0]["body"]["status"]),
            (200, &json!("booked"))
        );
        let kept = world
            .bot
            .store()
            .results()
            .of(paid.id.parse().unwrap())
            .await
            .unwrap();
        assert_eq!(kept.len(), 1);
        let clear = BASE64.decode(&kept[0].sealed).unwrap();
        assert!(!String::from_utf8_lossy(&clear).contains("booked"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_what_a_step_was_answered_before_a_crash_is_there_after_it() {
    let vault = Vault::start().await;
    story_with(vault.setup_of_steps(), async |world| {
        let kept = world.open("payments-agent", keep()).await;
        world.person("bob").approve(REPO, kept.pull).unwrap();
        while vault.stamps() == 0 || world.of_kind("step").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.crash();
        world.start().await.unwrap();
        world.sweep().await;
        assert_eq!(world.state(&kept).await, "executed");
        let (status, told) = result(world, kept.agent, &kept.id).await;
        assert_eq!(status, 200, "{told:#}");
        let items = told["items"].as_array().unwrap();
        let steps: Vec<&Value> = items.iter().map(|item| &item["step"]).collect();
        assert_eq!(steps, ["keep", "stamp"]);
        assert_eq!(vault.stamps(), 2);
        assert_eq!(
            items[0]["body"],
            json!({ "kept": { "name": "account", "value": SECRET } })
        );
        assert!(items.iter().all(holds));
        let commitments: Vec<Value> = items.iter().map(|item| item["commitment"].clone()).collect();
        assert_eq!(commitments, committed(world, &kept));
    })
    .await;
}
