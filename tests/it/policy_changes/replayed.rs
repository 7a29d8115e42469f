//! What the check of a change of the rules tells of the recent past.

use super::{OWNERS, TIERS, change, edited, propose};
use crate::world::{note, story};

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_the_new_owners_would_not_have_opened_is_told_of_by_proposal() {
    story(async |world| {
        let ran = world.payment().await;
        world.approve("alice", &ran).await;
        world.approve("bob", &ran).await;
        assert_eq!(world.state(&ran).await, "executed");
        let campaign = world.campaign().await;
        let edit = (
            "/payments/             @acme/finance @acme/treasury",
            "/payments/             @acme/marketing @acme/treasury",
        );
        let pull = change(world, "rules", OWNERS, edit).await;
        let summary = world.check(&pull).summary;
        let line = format!("| `{}` | – | open → waiting | – | – |", ran.id);
        assert!(summary.contains(&line), "{summary}");
        assert!(
            summary.contains("Of the last 2 proposals, 1 would have gone another way: 1 gate newly blocked."),
            "{summary}"
        );
        assert!(!summary.contains(&campaign.id), "{summary}");
        // The same after a restart: what was observed is read from the ledger.
        world.restart().await;
        world.sweep().await;
        assert!(world.check(&pull).summary.contains(&line));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_the_new_rules_would_open_and_a_tier_that_moves_are_told_of() {
    story(async |world| {
        // Dave is of marketing, which owns no payment.
        let waits = world.payment().await;
        world.approve("alice", &waits).await;
        world.approve("dave", &waits).await;
        let (status, noted) = world.propose("support-agent", note()).await;
        assert_eq!(status, 201);
        world.settle().await;
        let rule = "  - { impact: [none, low], data_only: [public, internal], rollback: [inverse, restore], tier: low }";
        let tiers = edited(world, TIERS, (rule, &rule.replace("tier: low", "tier: medium")));
        let owners = edited(
            world,
            OWNERS,
            (
                "/payments/             @acme/finance @acme/treasury",
                "/payments/             @acme/finance @acme/marketing",
            ),
        );
        let pull = propose(world, "erin", "rules", &[(TIERS, &tiers), (OWNERS, &owners)]).await;
        let summary = world.check(&pull).summary;
        let opened = format!("| `{}` | – | waiting → open | – | – |", waits.id);
        assert!(summary.contains(&opened), "{summary}");
        let moved = format!(
            "| `{}` | low → medium | open → blocked | – | – |",
            noted["id"].as_str().unwrap()
        );
        assert!(summary.contains(&moved), "{summary}");
        assert!(
            summary.contains("2 would have gone another way: 1 of another tier, 1 gate newly blocked, 1 gate newly open."),
            "{summary}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_would_fail_now_is_told_of_by_proposal() {
    const SMALL: &str = "\
summary: Nothing above a thousand
level: deny
expression: params.amount.minor <= 100000
message: above a thousand
remedy: propose less
";
    story(async |world| {
        let payment = world.payment().await;
        let catalog = edited(
            world,
            "policies/catalog.yaml",
            (
                "checks: [text]\n    sensitive: [params.iban]",
                "checks: [text, small]\n    sensitive: [params.iban]",
            ),
        );
        let files = [
            ("policies/catalog.yaml", catalog.as_str()),
            ("policies/checks/small.yaml", SMALL),
        ];
        let pull = propose(world, "dave", "rules", &files).await;
        let summary = world.check(&pull).summary;
        let line = format!("| `{}` | – | waiting → blocked | small | – |", payment.id);
        assert!(summary.contains(&line), "{summary}");
    })
    .await;
}
