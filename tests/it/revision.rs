//! A corrected proposal takes the place of one that people review. INVARIANT i05.

use serde_json::{Value, json};

use crate::world::{Opened, REPO, Setup, World, campaign, note, payment, story, story_with};

/// The same payment of another amount, in place of another proposal.
fn revised(minor: i64, old: &Opened) -> Value {
    let mut body = payment();
    body["parameters"]["amount"]["minor"] = json!(minor);
    body["supersedes"] = json!(old.id);
    body
}

fn body_of(world: &World, of: &Opened) -> String {
    let pull = world.github.pull(REPO, of.pull).unwrap();
    pull["body"].as_str().unwrap().to_owned()
}

fn asked(world: &World, of: &Opened) -> Vec<String> {
    let pull = world.github.pull(REPO, of.pull).unwrap();
    let people = pull["requested_reviewers"].as_array().unwrap();
    people
        .iter()
        .map(|one| one["login"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_a_revision_ends_the_old_says_what_is_new_and_asks_the_same_again() {
    story(async |world| {
        let old = world.payment().await;
        world.approve("bob", &old).await;
        world
            .person("alice")
            .request_changes(REPO, old.pull, "Half of it:\nthe goods\u{202e} are not all here")
            .unwrap();
        world.settle().await;
        let told = world.status(old.agent, &old.id).await;
        assert_eq!(
            (
                &told["changes_requested"][0]["by"],
                &told["changes_requested"][0]["reason"]
            ),
            (&json!("alice"), &json!("Half of it: the goods are not all here"))
        );
        let new = world.open(old.agent, revised(625_000, &old)).await;
        let told = world.status(old.agent, &old.id).await;
        assert_eq!(
            (&told["state"], &told["replaced_by"]),
            (&json!("superseded"), &json!(new.id))
        );
        let pull = world.github.pull(REPO, old.pull).unwrap();
        assert_eq!(
            (&pull["state"], &pull["merged"]),
            (&json!("closed"), &json!(false))
        );
        let outcome = world.answers(&old);
        assert!(outcome.iter().any(|text| text.contains(&new.id)), "{outcome:#?}");

        let body = body_of(world, &new);
        let since: Vec<&str> = body
            .lines()
            .skip_while(|line| !line.starts_with("### What is new since"))
            .take_while(|line| *line != "### What changes")
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(
            since,
            [
                format!(
                    "### What is new since pull request #{}, proposal `{}`",
                    old.pull, old.id
                )
                .as_str(),
                "| Parameter | Before | Now |",
                "|---|---|---|",
                "| `amount` | 12,500.00 EUR | 6,250.00 EUR |",
                "Sealed, and the same as before: `iban`.",
            ]
        );
        let people = asked(world, &new);
        assert!(
            people.contains(&"alice".to_owned()) && people.contains(&"bob".to_owned()),
            "{people:?}"
        );

        // What bob said of the old one is nothing here.
        world.approve("alice", &new).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        world.approve("bob", &new).await;
        assert_eq!(
            (world.state(&new).await.as_str(), world.acted()),
            ("executed", (1, 0))
        );
        assert_eq!(world.state(&old).await, "superseded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_i20_a_revision_moves_the_reservation_in_one_step() {
    let setup = Setup {
        edits: vec![(
            "catalog.yaml",
            "    sensitive: [params.iban]",
            "    sensitive: [params.iban]\n    limits: [{ rate: 1, per: 1d, by: [agent] }]",
        )],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let old = world.payment().await;
        let (status, answer) = world.propose("payments-agent", payment()).await;
        assert_eq!(status, 429, "the first one holds the place: {answer:#}");
        let new = world.open("payments-agent", revised(625_000, &old)).await;
        let entries = world.entries();
        let ended = entries
            .iter()
            .position(|entry| entry["kind"] == "superseded")
            .unwrap();
        assert_eq!(entries[ended]["body"]["by"], json!(new.id));
        assert_eq!(entries[ended]["actor"]["agent"], "payments-agent");
        assert_eq!(
            (&entries[ended + 1]["kind"], &entries[ended + 1]["proposal"]),
            (&json!("received"), &json!(new.id)),
            "nothing comes in between"
        );
        let (status, _) = world.propose("payments-agent", payment()).await;
        assert_eq!(status, 429, "the second one holds it now");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_of_two_revisions_at_once_one_is_refused() {
    story(async |world| {
        let old = world.payment().await;
        let (one, two) = tokio::join!(
            world.propose(old.agent, revised(100, &old)),
            world.propose(old.agent, revised(200, &old)),
        );
        world.settle().await;
        let mut codes = [one.0, two.0];
        codes.sort_unstable();
        assert!(matches!(codes, [202, 409 | 422]), "{one:?} {two:?}");
        let superseded = world.of_kind("superseded").len();
        assert_eq!((superseded, world.of_kind("received").len()), (1, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_what_ran_or_is_another_s_or_was_replaced_is_not_replaced() {
    story(async |world| {
        let ran = world.payment().await;
        for login in ["alice", "bob"] {
            world.approve(login, &ran).await;
        }
        assert_eq!(world.state(&ran).await, "executed");
        let first = world.payment().await;
        let second = world.open(first.agent, revised(100, &first)).await;
        let others = world.campaign().await;
        for (old, why) in [
            (&ran, "ran, or may have".to_owned()),
            (&first, format!("was replaced by {}; send that id", second.id)),
            (&others, "has no proposal".to_owned()),
        ] {
            let before = world.still().await;
            let (status, answer) = world.propose("payments-agent", revised(300, old)).await;
            assert_eq!(
                (status, &answer["errors"][0]["field"]),
                (422, &json!("/supersedes")),
                "{answer:#}"
            );
            let said = answer["errors"][0]["message"].as_str().unwrap();
            assert!(said.contains(&why), "{said}");
            world.settle().await;
            assert_eq!(world.still().await, before);
        }
        // A chain goes on, and what ended without running may be named too.
        let third = world.open(first.agent, revised(400, &second)).await;
        world.person("alice").close(REPO, third.pull).unwrap();
        world.settle().await;
        assert_eq!(world.state(&third).await, "denied");
        let fourth = world.open(first.agent, revised(500, &third)).await;
        assert_eq!(world.state(&third).await, "denied");
        assert!(body_of(world, &fourth).contains("| `amount` | 4.00 EUR | 5.00 EUR |"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_a_replaced_proposal_that_is_merged_all_the_same_never_runs() {
    story(async |world| {
        let old = world.campaign().await;
        let mut again = campaign();
        again["supersedes"] = json!(old.id);
        again["justification"] = json!("The same, for a better reason.");
        let new = world.open(old.agent, again).await;
        assert!(body_of(world, &new).contains("The agent's own words, at the end, are others than before."));
        world.person("dave").reopen(REPO, old.pull).unwrap();
        world.person("dave").approve(REPO, old.pull).unwrap();
        world.settle().await;
        assert_eq!(
            (world.state(&old).await.as_str(), world.acted()),
            ("superseded", (0, 0))
        );
        // Low tier does not wait for anybody, and takes the place all the same.
        let mut low = note();
        low["supersedes"] = json!(new.id);
        let (status, answer) = world.propose("support-agent", low).await;
        assert_eq!(status, 422, "another agent's: {answer:#}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i29_a_sealed_value_that_changed_behind_the_same_mask_is_told() {
    story(async |world| {
        let old = world.payment().await;
        let mut other = revised(1_250_000, &old);
        other["parameters"]["iban"] = json!("DE75512108001245123000");
        let new = world.open(old.agent, other).await;
        let body = body_of(world, &new);
        assert!(
            body.contains("•••• 3000") && body.contains("Sealed, and **changed**: `iban`."),
            "{body}"
        );
        assert!(!body.contains("No parameter that can be compared"), "{body}");
        // Taken out is changed too.
        let mut without = revised(1_250_000, &new);
        without["parameters"].as_object_mut().unwrap().remove("iban");
        let third = world.open(old.agent, without).await;
        let body = body_of(world, &third);
        assert!(body.contains("Sealed, and **changed**: `iban`."), "{body}");
    })
    .await;
}
