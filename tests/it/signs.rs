//! `countersign audit signs`: who only ever approves for each other.

use serde_json::{Value, json};

use super::{
    cli::run,
    world::{REPO, Setup, World, campaign, story_with},
};

/// Erin answers for one agent that sends campaigns, Dave for another.
fn two_sponsors() -> Setup {
    Setup {
        edits: vec![
            (
                "agents.yaml",
                "actions: [crm.note",
                "actions: [campaigns.send, crm.note",
            ),
            (
                "agents.yaml",
                "    sponsor: erin\n    account: { login: \"support-agent[bot]\"",
                "    sponsor: dave\n    account: { login: \"support-agent[bot]\"",
            ),
        ],
        ..Setup::default()
    }
}

async fn sends(world: &mut World, agent: &'static str, sponsor: &str, approver: &str) {
    let mut body = campaign();
    body["sponsor"] = json!(sponsor);
    let sent = world.open(agent, body).await;
    world.approve(approver, &sent).await;
    assert_eq!(world.state(&sent).await, "executed");
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_two_people_who_only_approve_for_each_other_are_a_sign_and_no_block() {
    story_with(two_sponsors(), async |world| {
        let repo = world.github.git_dir(REPO).unwrap().display().to_string();
        let told = || {
            let ran = run(&["audit", "signs", &repo, "--json"]);
            assert_eq!(ran.err, "");
            let lines = ran.out.lines().map(|line| serde_json::from_str(line).unwrap());
            (ran.code, lines.collect::<Vec<Value>>())
        };
        for round in 0..5 {
            assert_eq!(told(), (0, vec![]), "{round}");
            sends(world, "campaign-agent", "erin", "dave").await;
            sends(world, "support-agent", "dave", "erin").await;
        }
        let pair = json!({ "sign": "only_each_other", "people": ["dave", "erin"], "approved": [5, 5] });
        assert_eq!(told(), (3, vec![pair]));
        let ran = run(&["audit", "signs", &repo]);
        assert_eq!(ran.code, 3);
        assert!(
            ran.out
                .starts_with("dave and erin only ever approved for each other"),
            "{}",
            ran.out
        );
    })
    .await;
}
