//! Whoever meddles with a proposal's pull request is named, and approves nothing of it. INVARIANT i08.

use countersign::sandbox::DeliveryFault;
use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, merge_commit, note, payment, story, story_with};

/// A payment that carol, an owner with two accounts, is no sponsor of.
fn erins() -> Setup {
    Setup {
        edits: vec![("agents.yaml", "sponsor: carol", "sponsor: erin")],
        ..Setup::default()
    }
}

async fn erins_payment(world: &mut World, supersedes: Option<&Opened>) -> Opened {
    let mut body = payment();
    body["sponsor"] = json!("erin");
    if let Some(old) = supersedes {
        body["supersedes"] = json!(old.id);
        body["parameters"]["amount"]["minor"] = json!(625_000);
    }
    world.open("payments-agent", body).await
}

fn body_of(world: &World, of: &Opened) -> Value {
    world.github.pull(REPO, of.pull).unwrap()["body"].clone()
}

fn edit(world: &World, login: &str, of: &Opened, change: &Value) {
    world.person(login).edit_pull(REPO, of.pull, change).unwrap();
}

/// Account, person and parts of every recorded edit.
fn edits(world: &World) -> Vec<(Value, Value, Value)> {
    let edits = world.of_kind("edited");
    let of = |entry: Value| {
        (
            entry["body"]["account"].clone(),
            entry["actor"]["person"].clone(),
            entry["body"]["parts"].clone(),
        )
    };
    edits.into_iter().map(of).collect()
}

async fn waits(world: &World, of: &Opened) {
    let summary = world.check(of).summary;
    assert_eq!(world.state(of).await, "open", "{summary}");
    assert_eq!(world.acted(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_whoever_edited_the_text_approves_nothing_by_any_account() {
    story_with(erins(), async |world| {
        let payment = erins_payment(world, None).await;
        let opened = body_of(world, &payment);
        edit(world, "carol", &payment, &json!({ "body": "Pay 1.00 EUR" }));
        world.settle().await;
        assert_eq!(body_of(world, &payment), opened);
        world.approve("carol", &payment).await;
        world.approve("carol-oncall", &payment).await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        let summary = world.check(&payment).summary;
        let why = "carol's approval: whoever edited its title, text or base never approves";
        assert!(
            summary.contains(why) && summary.contains("ask alice (finance)"),
            "{summary}"
        );

        // The bot's own edit, which put it back, is nobody's; and the same again says nothing new.
        let carol = json!(world.github.user_id("carol").unwrap());
        let first = (carol.clone(), json!("carol"), json!(["body"]));
        assert_eq!(edits(world), std::slice::from_ref(&first));
        let lines = world.subjects();
        let line = lines.iter().find(|line| line.starts_with("edited: ")).unwrap();
        assert!(
            line.starts_with("edited: text of ") && line.ends_with(", by carol"),
            "{line}"
        );
        edit(world, "carol", &payment, &json!({ "body": "Pay 2.00 EUR" }));
        world.settle().await;
        assert_eq!(edits(world), std::slice::from_ref(&first));
        edit(
            world,
            "carol",
            &payment,
            &json!({ "title": "Pay 2.00 EUR", "body": "" }),
        );
        world.settle().await;
        assert_eq!(
            edits(world),
            [first, (carol, json!("carol"), json!(["title", "body"]))]
        );

        world.approve("alice", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_an_edit_that_its_author_put_back_unseen_is_one_all_the_same() {
    story_with(erins(), async |world| {
        let payment = erins_payment(world, None).await;
        let opened = body_of(world, &payment);
        world
            .github
            .webhook_fault(Some("pull_request"), DeliveryFault::Hold, 100);
        edit(world, "carol", &payment, &json!({ "body": "Pay 1.00 EUR" }));
        edit(world, "carol", &payment, &json!({ "body": opened }));
        world.approve("carol", &payment).await;
        world.github.release_webhooks();
        world.settle().await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
        assert_eq!(edits(world).len(), 1);
        // What it did was undone: it holds nothing of hers, and neither does what comes after.
        let next = erins_payment(world, Some(&payment)).await;
        world.approve("carol", &next).await;
        world.approve("bob", &next).await;
        assert_eq!(
            (world.state(&next).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_a_doubled_edit_is_recorded_once() {
    story_with(erins(), async |world| {
        let payment = erins_payment(world, None).await;
        world
            .github
            .webhook_fault(Some("pull_request"), DeliveryFault::Duplicate, 2);
        edit(world, "mallory", &payment, &json!({ "title": "Pay 1.00 EUR" }));
        world.settle().await;
        let mallory = json!(world.github.user_id("mallory").unwrap());
        assert_eq!(edits(world), [(mallory, Value::Null, json!(["title"]))]);
        for login in ["carol", "bob"] {
            world.approve(login, &payment).await;
        }
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_whoever_edited_the_base_approves_nothing_though_it_was_moved_back() {
    story_with(erins(), async |world| {
        let payment = erins_payment(world, None).await;
        world
            .person("mallory")
            .push_files(REPO, "other", &[("x.txt", "x")], "x", false)
            .unwrap();
        world.settle().await;
        world.github.webhook_fault(None, DeliveryFault::Hold, 100);
        edit(world, "carol", &payment, &json!({ "base": "other" }));
        edit(world, "carol", &payment, &json!({ "base": "main" }));
        world.github.release_webhooks();
        world.settle().await;
        assert_eq!(edits(world)[0].2, json!(["base"]));
        world.approve("carol", &payment).await;
        world.approve("bob", &payment).await;
        waits(world, &payment).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_what_is_merged_takes_no_approval_away() {
    let mut setup = erins();
    setup.edits.push((
        "tiers.yaml",
        "merge: auto                 # or manual",
        "merge: manual               # or manual",
    ));
    story_with(setup, async |world| {
        let payment = erins_payment(world, None).await;
        world.approve("carol", &payment).await;
        world.approve("bob", &payment).await;
        world.github.webhook_fault(None, DeliveryFault::Hold, 100);
        world
            .person("dave")
            .merge(REPO, payment.pull, merge_commit())
            .unwrap();
        let title = &world.github.pull(REPO, payment.pull).unwrap()["title"];
        edit(world, "carol", &payment, &json!({ "title": "Paid" }));
        edit(world, "carol", &payment, &json!({ "title": title }));
        world.github.release_webhooks();
        world.settle().await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
        assert!(edits(world).is_empty());
    })
    .await;
}

/// The account of the one incident, after mallory forced another commit onto a proposal's branch.
async fn forced(lost: &'static str) {
    story(async |world| {
        let payment = world.payment().await;
        world.github.webhook_fault(Some(lost), DeliveryFault::Lose, 1);
        let branch = format!("countersign/{}", payment.id);
        world
            .person("mallory")
            .push_files(REPO, &branch, &[("proposals/x.yaml", "amount: 99")], "x", true)
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&payment).await, "voided");
        let [incident] = world.of_kind("incident").try_into().unwrap();
        let mallory = world.github.user_id("mallory").unwrap();
        assert_eq!(incident["body"]["account"], json!(mallory));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_who_forced_a_push_is_named_by_the_push() {
    forced("pull_request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_who_forced_a_push_is_named_by_the_pull_request() {
    forced("push").await;
}

/// What a revision replaces is not known whole for ever; its text is.
#[tokio::test(flavor = "multi_thread")]
async fn i26_the_text_of_a_revision_is_put_back_long_after_what_it_replaced() {
    story_with(erins(), async |world| {
        let old = erins_payment(world, None).await;
        let new = erins_payment(world, Some(&old)).await;
        let opened = body_of(world, &new);
        for _ in 0..countersign::domain::book::RECENT {
            let (status, answer) = world.propose("support-agent", note()).await;
            assert!(status < 300, "{status} {answer:#}");
        }
        world.settle().await;
        edit(world, "mallory", &new, &json!({ "body": "Pay 1.00 EUR" }));
        world.settle().await;
        assert_eq!(body_of(world, &new), opened);
        world.approve("alice", &new).await;
        world.approve("bob", &new).await;
        assert_eq!(world.state(&new).await, "executed");
    })
    .await;
}
