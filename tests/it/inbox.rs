//! An agent's own pull request is an inbox: read at one commit, answered, replaced by the bot's. INVARIANT i25.

use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, campaign, merge_commit, note, payment, story_with};

const SECRET: &str = "a shared secret of the support agent";

fn with_accounts() -> Setup {
    Setup {
        agent_accounts: true,
        secrets: vec![("support-agent", SECRET)],
        ..Setup::default()
    }
}

/// Pushes a file to a branch and asks for it to be merged, as this account.
async fn ask(world: &mut World, login: &str, branch: &str, path: &str, text: &str) -> u64 {
    let person = world.person(login);
    person
        .push_files(REPO, branch, &[(path, text)], "Please", false)
        .unwrap();
    let number = person
        .open_pull(REPO, branch, "main", "A proposal", "Please take this over.")
        .unwrap();
    world.settle().await;
    number
}

async fn push_again(world: &mut World, login: &str, branch: &str, text: &str) {
    world
        .person(login)
        .push_files(REPO, branch, &[("proposal.yaml", text)], "Corrected", false)
        .unwrap();
    world.settle().await;
}

fn comments(world: &World, pull: u64) -> Vec<String> {
    let comments = world.github.comments(REPO, pull).unwrap();
    comments
        .iter()
        .map(|comment| comment["body"].as_str().unwrap().to_owned())
        .collect()
}

fn state(world: &World, pull: u64) -> String {
    world.github.pull(REPO, pull).unwrap()["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The bot's only pull request, and its proposal.
fn opened(world: &World, agent: &'static str) -> Opened {
    let received = world.of_kind("opened");
    assert_eq!(received.len(), 1, "{received:#?}");
    let id = received[0]["proposal"].as_str().unwrap().to_owned();
    let bots = world.github.pulls(REPO).unwrap();
    let bots: Vec<&Value> = bots
        .iter()
        .filter(|pull| pull["user"]["login"] == "countersign[bot]")
        .collect();
    assert_eq!(bots.len(), 1);
    Opened {
        id,
        pull: bots[0]["number"].as_u64().unwrap(),
        agent,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i25_an_agent_s_pull_request_becomes_the_bot_s_own() {
    story_with(with_accounts(), async |world| {
        let yaml = world.request("payments-agent", payment()).to_string();
        let inbox = ask(world, "payments-agent[bot]", "pay-acme", "proposal.yaml", &yaml).await;
        assert_eq!(state(world, inbox), "closed");
        let payment = opened(world, "payments-agent");
        assert_ne!(payment.pull, inbox);
        let said = comments(world, inbox).join("\n").replace(&payment.id, "[id]");
        insta::assert_snapshot!(said, @r##"
        Countersign took this over as #2, proposal `[id]`.

        It is reviewed, approved and run there. This pull request is closed; nothing in it is merged.
        "##);
        // Where it came from is on the record: the pull request and the one commit that was read.
        let entry = world
            .entries()
            .into_iter()
            .find(|entry| entry["kind"] == "received")
            .unwrap();
        let head = world.github.pull(REPO, inbox).unwrap()["head"]["sha"].clone();
        assert_eq!(
            entry["body"]["via"],
            json!({ "pull": { "number": inbox, "head": head } }),
            "{entry:#}"
        );
        // Approving the inbox approves nothing; approving the proposal does.
        assert!(world.person("alice").approve(REPO, inbox).is_ok());
        world.settle().await;
        assert_eq!(world.check(&payment).conclusion, "action_required");
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i25_every_error_is_answered_and_a_corrected_push_is_read_anew() {
    story_with(with_accounts(), async |world| {
        let mut wrong = payment();
        wrong["sponsor"] = json!("alice");
        wrong["parameters"]["supplier_id"] = json!("<!-- @acme/finance -->");
        wrong["parameters"]["amount"] = json!({ "minor": 0, "currency": "euro" });
        wrong["justification"] = json!(" ");
        let yaml = world.request("payments-agent", wrong).to_string();
        let inbox = ask(world, "payments-agent[bot]", "pay-acme", "proposal.yaml", &yaml).await;
        assert_eq!(state(world, inbox), "open");
        let said = comments(world, inbox);
        assert_eq!(said.len(), 1, "{said:#?}");
        insta::assert_snapshot!(said[0], @r##"
        `proposal.yaml` can't become a proposal yet. Nothing will run.

        - `/sponsor`: `alice` is not the sponsor of agent `payments-agent`; send `carol`
        - `/justification`: is empty; say in a sentence why this should be done
        - `/parameters/amount/currency`: the value does not match ` ^[A-Z]{3}$ `
        - `/parameters/amount/minor`: the value is less than the minimum of 1
        - `/parameters/supplier_id`: the value does not match ` ^[A-Za-z0-9-]+$ `

        Correct the file and push again; it is read anew with each push.
        "##);
        assert!(world.entries().iter().all(|entry| entry["kind"] == "genesis"));
        // Looking again says nothing again.
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(comments(world, inbox).len(), 1);
        push_again(world, "payments-agent[bot]", "pay-acme", "operation: [payments").await;
        assert_eq!(state(world, inbox), "open");
        let said = comments(world, inbox);
        assert_eq!(said.len(), 2, "{said:#?}");
        insta::assert_snapshot!(said[1], @r##"
        `proposal.yaml` can't become a proposal yet. Nothing will run.

        - `proposal.yaml:1:12:` unclosed bracket `'['`

        Correct the file and push again; it is read anew with each push.
        "##);
        let yaml = world.request("payments-agent", payment()).to_string();
        push_again(world, "payments-agent[bot]", "pay-acme", &yaml).await;
        assert_eq!(state(world, inbox), "closed");
        let payment = opened(world, "payments-agent");
        assert_eq!(world.state(&payment).await, "open");
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i25_other_people_s_pull_requests_are_left_alone() {
    story_with(with_accounts(), async |world| {
        let yaml = world.request("payments-agent", payment()).to_string();
        let person = ask(world, "mallory", "of-mallory", "proposal.yaml", &yaml).await;
        let elsewhere = ask(
            world,
            "payments-agent[bot]",
            "elsewhere",
            "docs/proposal.yaml",
            &yaml,
        )
        .await;
        world.bot.sweep().await;
        world.settle().await;
        for pull in [person, elsewhere] {
            assert_eq!(state(world, pull), "open");
            assert_eq!(comments(world, pull), Vec::<String>::new());
        }
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 2);
        assert!(world.entries().iter().all(|entry| entry["kind"] == "genesis"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i25_low_tier_runs_through_the_inbox_once() {
    story_with(with_accounts(), async |world| {
        let yaml = world.request("support-agent", note()).to_string();
        let inbox = ask(world, "support-agent[bot]", "note", "proposal.yaml", &yaml).await;
        assert_eq!(state(world, inbox), "closed");
        assert_eq!(world.acted(), (0, 1));
        assert_eq!(world.github.pulls(REPO).unwrap().len(), 1);
        let entry = world
            .entries()
            .into_iter()
            .find(|entry| entry["kind"] == "received")
            .unwrap();
        let said = comments(world, inbox)
            .join("\n")
            .replace(entry["proposal"].as_str().unwrap(), "[id]");
        insta::assert_snapshot!(said, @r##"
        Countersign took this over as proposal `[id]`, which needed no review and is `executed` now.

        It is on the ledger. This pull request is closed; nothing in it is merged.
        "##);
        assert!(
            entry
                .to_string()
                .contains(r#"{"gate_attested":{"by":"account"}}"#),
            "{entry}"
        );
        // Opened again, swept again, and sent again through another pull request: it is the same request.
        world.person("support-agent[bot]").reopen(REPO, inbox).unwrap();
        world.settle().await;
        let twin = ask(world, "support-agent[bot]", "note-again", "proposal.yaml", &yaml).await;
        world.bot.sweep().await;
        world.settle().await;
        assert_eq!(
            (state(world, inbox), state(world, twin)),
            ("closed".to_owned(), "closed".to_owned())
        );
        assert_eq!(world.acted(), (0, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_the_inbox_asks_for_the_agent_s_signature() {
    story_with(with_accounts(), async |world| {
        let good = world.request("campaign-agent", campaign());
        let mut unsigned = good.clone();
        unsigned.as_object_mut().unwrap().remove("signature");
        let mut forged = good.clone();
        forged["parameters"]["segment_id"] = json!("everybody");
        let inbox = ask(
            world,
            "campaign-agent[bot]",
            "campaign",
            "proposal.yaml",
            &unsigned.to_string(),
        )
        .await;
        push_again(world, "campaign-agent[bot]", "campaign", &forged.to_string()).await;
        // The account of one agent can't bring the signature of another.
        let foreign = world.request("payments-agent", payment()).to_string();
        push_again(world, "campaign-agent[bot]", "campaign", &foreign).await;
        let said = comments(world, inbox).join("\n\n");
        insta::assert_snapshot!(said, @r##"
        `proposal.yaml` can't become a proposal yet. Nothing will run.

        - `/signature`: is missing; agent `campaign-agent` signs its proposals with its `Ed25519` key

        Correct the file and push again; it is read anew with each push.


        `proposal.yaml` can't become a proposal yet. Nothing will run.

        - `/signature`: `signature` does not hold for this agent's key over operation, sponsor, items, nonce and expires_at

        Correct the file and push again; it is read anew with each push.


        `proposal.yaml` can't become a proposal yet. Nothing will run.

        - `/operation`: agent `campaign-agent` may not propose it; it may propose `campaigns.send`, `crm.note`
        - `/signature`: `signature` does not hold for this agent's key over operation, sponsor, items, nonce and expires_at

        Correct the file and push again; it is read anew with each push.
        "##);
        assert_eq!(state(world, inbox), "open");
        assert!(world.entries().iter().all(|entry| entry["kind"] == "genesis"));
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i25_another_pull_request_on_a_proposal_s_head_is_closed_and_counts_for_nothing() {
    story_with(with_accounts(), async |world| {
        world
            .person("root")
            .push_files(REPO, "stable", &[("README.md", "stable")], "Branch off", false)
            .unwrap();
        let payment = world.payment().await;
        let branch = format!("countersign/{}", payment.id);
        let shadow = world
            .person("mallory")
            .open_pull(REPO, &branch, "stable", "The same, easier", "")
            .unwrap();
        // Before the bot even looks.
        world.person("alice").approve(REPO, shadow).unwrap();
        world.settle().await;
        assert_eq!(state(world, shadow), "closed");
        let head = world.github.pull(REPO, shadow).unwrap()["head"]["sha"].clone();
        let said = comments(world, shadow)
            .join("\n")
            .replace(&head.as_str().unwrap()[..8], "[head]");
        insta::assert_snapshot!(said, @r##"
        Another pull request already asks for approval of commit `[head]`.

        Only that one counts: an approval given here would mean nothing. This pull request is closed.
        "##);
        world.person("bob").approve(REPO, shadow).unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "open");
        assert!(!world.kinds(&payment).contains(&"reviewed".to_owned()));
        assert_eq!(world.check(&payment).conclusion, "action_required");
        // The one that counts is not harmed.
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        assert_eq!(world.acted(), (1, 0));
    })
    .await;
}

/// Somebody merges the agent's own pull request before it is taken over: a file on the base branch is no proposal.
#[tokio::test(flavor = "multi_thread")]
async fn i25_a_merged_inbox_executes_nothing() {
    story_with(with_accounts(), async |world| {
        let mut wrong = payment();
        wrong["sponsor"] = json!("alice");
        let yaml = world.request("payments-agent", wrong).to_string();
        let inbox = ask(world, "payments-agent[bot]", "pay-acme", "proposal.yaml", &yaml).await;
        world.person("root").merge(REPO, inbox, merge_commit()).unwrap();
        world.settle().await;
        world.bot.sweep().await;
        world.settle().await;
        assert!(world.entries().iter().all(|entry| entry["kind"] == "genesis"));
        assert_eq!(world.acted(), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_a_secret_in_an_agent_s_pull_request_is_refused_and_not_repeated() {
    let token = ["gl", "pat-", "aB3dE5gH7jK9mN1pQ3sT"].concat();
    story_with(with_accounts(), async |world| {
        let mut body = payment();
        body["parameters"]["reference"] = json!(token);
        let yaml = world.request("payments-agent", body).to_string();
        let inbox = ask(world, "payments-agent[bot]", "pay-acme", "proposal.yaml", &yaml).await;
        let said = comments(world, inbox).join("\n");
        assert!(
            said.contains("GitLab token") && said.contains("/parameters/reference"),
            "{said}"
        );
        assert!(!said.contains(&token), "{said}");
        assert_eq!(world.of_kind("received"), Vec::<Value>::new());
    })
    .await;
}
