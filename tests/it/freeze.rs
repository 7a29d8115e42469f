//! `/freeze` stops executions at once, everywhere; only a proposal of the high tier lets them go on. INVARIANT i22.

use serde_json::{Value, json};

use crate::world::{REPO, Setup, World, fresh, note, story, story_with};

const THAW: &str = r#"actions:
  executions.thaw:
    summary: Let executions go on after a freeze
    resource: /executions/freezes/{freeze}
    impact: low
    data: [internal]
    rollback: { kind: none }
    raci: { responsible: campaign-agent, accountable: marketing }
    params:
      type: object
      required: [freeze, reason]
      properties:
        freeze: { type: integer, minimum: 1 }
        reason: { type: string, maxLength: 400 }
    describe: "End freeze {{ params.freeze }}"
    execute:
      thaw: { freeze: "${params.freeze}" }
"#;

/// Rules with an action that thaws, which `tiers.yaml` would not have in the high tier.
pub(crate) fn thawing() -> Setup {
    Setup {
        edits: vec![
            ("catalog.yaml", "actions:\n", THAW),
            (
                "agents.yaml",
                "[campaigns.send, crm.note]",
                "[campaigns.send, crm.note, executions.thaw]",
            ),
            (
                "CODEOWNERS",
                "/policies/ ",
                "/executions/ @acme/finance @acme/treasury\n/policies/ ",
            ),
        ],
        ..Setup::default()
    }
}

fn thaw(freeze: &Value) -> Value {
    json!({
        "operation": "executions.thaw", "sponsor": "erin",
        "parameters": { "freeze": freeze, "reason": "the bank works again" },
        "nonce": fresh(), "justification": "payments wait",
    })
}

/// The newest freeze's place in the ledger.
fn newest(world: &World) -> Value {
    world.of_kind("frozen").last().unwrap()["seq"].clone()
}

/// Lets the newest freeze end, by whoever executes.
pub(crate) async fn thawed(world: &mut World, executes: impl AsyncFnOnce(&mut World)) {
    let freeze = newest(world);
    let thaw = world.open("campaign-agent", thaw(&freeze)).await;
    assert_eq!(world.status(thaw.agent, &thaw.id).await["tier"], "high");
    world.approve("alice", &thaw).await;
    assert_eq!(world.state(&thaw).await, "open");
    world.approve("bob", &thaw).await;
    executes(world).await;
    assert_eq!(world.state(&thaw).await, "executed");
    let [entry] = world.of_kind("thawed").try_into().unwrap();
    assert_eq!(entry["body"]["freeze"], freeze);
    assert_eq!(entry["actor"]["role"], "executor");
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_freeze_stops_what_is_approved_until_a_high_proposal_thaws_it() {
    story_with(thawing(), async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world
            .comment("dave", &payment, "/freeze all the bank is down")
            .await;
        insta::assert_snapshot!(world.answers(&payment)[0], @r"
        Recorded: dave stops all executions, because the bank is down.

        Nothing of that begins any more, in any process; what has begun takes no further step, and is undone where that can be. It lasts until a proposal of `executions.thaw` for freeze `5` has run.
        ");
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        let check = world.check(&payment);
        assert_eq!(check.conclusion, "action_required");
        assert!(
            check.summary.contains("somebody stopped executions"),
            "{}",
            check.summary
        );
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 409, "{answer:#}");
        assert!(answer.to_string().contains("freeze"), "{answer:#}");
        let [entry] = world.of_kind("frozen").try_into().unwrap();
        assert_eq!(
            (&entry["actor"]["person"], &entry["body"]["what"]),
            (&json!("dave"), &json!("all"))
        );
        // What waited goes on by itself.
        thawed(world, async |_| {}).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201, "{answer:#}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_what_does_not_hold_is_not_thawed_and_who_asks_is_told_what_does() {
    story_with(thawing(), async |world| {
        let refused = async |world: &World, freeze: u64| {
            let (status, answer) = world.propose("campaign-agent", thaw(&json!(freeze))).await;
            assert_eq!(status, 422, "{answer:#}");
            let detail = answer["detail"].as_str().unwrap();
            let why = detail.strip_prefix("`/parameters/freeze`: ");
            why.unwrap_or_else(|| panic!("{detail}")).to_owned()
        };
        assert_eq!(
            refused(world, 1).await,
            "no freeze holds by entry 1; nothing is frozen"
        );
        let payment = world.payment().await;
        world
            .comment("dave", &payment, "/freeze action payments.create too many")
            .await;
        let freeze = newest(world);
        assert_eq!(
            refused(world, 1).await,
            format!(
                "no freeze holds by entry 1; what holds is entry {freeze}, by which dave stopped executions of payments.create"
            )
        );
        // Of two that were approved to end it, the second finds nothing to end.
        let first = world.open("campaign-agent", thaw(&freeze)).await;
        let second = world.open("campaign-agent", thaw(&freeze)).await;
        for of in [&first, &second] {
            world.approve("alice", of).await;
            world.approve("bob", of).await;
        }
        assert_eq!(world.state(&first).await, "executed");
        assert_eq!(world.state(&second).await, "refused");
        assert_eq!(world.of_kind("thawed").len(), 1);
        let told = world.about(&second).pop().unwrap();
        assert_eq!(
            told["body"]["steps"][0]["note"],
            format!("no freeze holds by entry {freeze}; nothing is frozen")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_freeze_of_an_action_or_an_agent_stops_no_other() {
    story(async |world| {
        let campaign = world.campaign().await;
        let payment = world.payment().await;
        world
            .comment("dave", &payment, "/freeze action payments.create too many")
            .await;
        world
            .comment("dave", &payment, "/freeze agent campaign-agent strange")
            .await;
        for login in ["alice", "bob"] {
            world.approve(login, &payment).await;
        }
        assert_eq!(world.state(&payment).await, "open");
        let (status, answer) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201, "{answer:#}");
        world.comment("dave", &campaign, "thanks").await;
        assert!(!world.check(&campaign).summary.contains("stopped"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_strangers_agents_and_bad_words_freeze_nothing() {
    story(async |world| {
        let payment = world.payment().await;
        for (login, text) in [
            ("mallory", "/freeze all because"),
            ("alice", "/freeze"),
            ("alice", "/freeze all"),
            ("alice", "/freeze everything now"),
            ("alice", "/freeze action payments.creat typo"),
            ("alice", "/freeze agent nobody-agent typo"),
            ("alice", "please /freeze all now"),
        ] {
            world.comment(login, &payment, text).await;
        }
        assert_eq!(world.of_kind("frozen"), Vec::<Value>::new());
        insta::assert_snapshot!(world.answers(&payment).concat(), @r"
        Not recorded for alice: write `/freeze all`, `/freeze action payments.create` or `/freeze agent payments-agent`, then why.
        Not recorded for alice: it takes your reason; write `/freeze all`, `/freeze action payments.create` or `/freeze agent payments-agent`, then why.
        Not recorded for alice: write `/freeze all`, `/freeze action payments.create` or `/freeze agent payments-agent`, then why.
        Not recorded for alice: there is no action `payments.creat`; did you mean `payments.create`?
        Not recorded for alice: there is no agent `nobody-agent`.
        ");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_freeze_outlives_the_process_and_a_doubled_comment_freezes_once() {
    story(async |world| {
        let payment = world.payment().await;
        world
            .comment("dave", &payment, "/freeze all the bank is down")
            .await;
        world.restart().await;
        world.sweep().await;
        assert_eq!(world.of_kind("frozen").len(), 1);
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

/// Runs the program as a person.
fn asks(world: &World, login: &str, args: &[&str]) -> (i32, String) {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("countersign"));
    command
        .env_clear()
        .env("GH_TOKEN", world.github.user_token(login).unwrap());
    command
        .args(args)
        .args(["--repo", REPO, "--api-url", &world.github.api_url()]);
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_the_program_asks_for_a_freeze_in_a_person_s_name() {
    story(async |world| {
        let payment = world.payment().await;
        let (code, said) = asks(
            world,
            "dave",
            &["freeze", "--all", "--reason", "the bank is down"],
        );
        assert!(
            code == 0 && said.contains("dave stops all executions"),
            "{code} {said}"
        );
        let [entry] = world.of_kind("frozen").try_into().unwrap();
        assert_eq!(entry["body"]["said"]["below"], json!(payment.pull));
        let (code, said) = asks(
            world,
            "dave",
            &["freeze", "--action", "payments.creat", "--reason", "typo"],
        );
        assert!(
            code == 3 && said.contains("did you mean `payments.create`?"),
            "{code} {said}"
        );
        for bad in [
            &["freeze", "--reason", "x"][..],
            &["freeze", "--all", "--agent", "a", "--reason", "x"],
            &["freeze", "--all"],
            &[
                "resolve",
                "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                "--as",
                "perhaps",
                "--reason",
                "x",
            ],
        ] {
            assert_eq!(asks(world, "dave", bad).0, 2, "{bad:?}");
        }
        let resolve = ["resolve", &payment.id, "--as", "executed", "--reason", "I saw it"];
        let (code, said) = asks(world, "dave", &resolve);
        assert!(
            code == 3 && said.contains("nothing is unknown about it: it is open"),
            "{code} {said}"
        );
        world.settle().await;
    })
    .await;
}
