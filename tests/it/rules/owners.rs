//! Who must approve: sections, counts, options, defaults, exclusions, and one requirement a person.

use serde_json::json;

use super::{Rules, approved, because, campaign, gates, payment, set};

/// The small set with other owners of campaigns, which take one approval.
fn owners(lines: &str) -> Rules {
    Rules::small(&[("CODEOWNERS", "/campaigns/            @acme/marketing", lines)])
}

#[test]
fn every_section_that_matches_is_a_requirement_of_its_own() {
    let rules = owners(
        "/campaigns/ @dave\n[Legal] @alice\n/campaigns/segments/\n[Other] @bob\n/elsewhere/\n[End]\n/crm/ @dave",
    );
    let answers = rules.ask(&[
        approved(campaign(), &["dave"]),
        approved(campaign(), &["alice"]),
        approved(campaign(), &["dave", "alice"]),
    ]);
    assert_eq!(gates(&answers), ["waiting", "waiting", "open"]);
    let missing = answers[0]["because"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["section"] == "Legal")
        .unwrap();
    assert_eq!(missing["could"], json!(["alice"]));
}

#[test]
fn i09_people_are_assigned_so_that_nobody_is_wasted() {
    // Alice could stand for both; only if she stands for the second is there somebody for the first.
    let rules = owners("/campaigns/ @alice @bob\n[Second]\n/campaigns/ @alice\n[End]\n/crm/ @dave");
    let answers = rules.ask(&[
        approved(campaign(), &["alice"]),
        approved(campaign(), &["alice", "bob"]),
        approved(campaign(), &["bob", "alice"]),
    ]);
    assert_eq!(gates(&answers), ["waiting", "open", "open"]);
}

#[test]
fn a_section_counts_its_own_approvals() {
    let rules = owners("[Marketing][2] @dave @alice @bob\n/campaigns/\n[End]\n/crm/ @dave");
    let answers = rules.ask(&[
        approved(campaign(), &["dave"]),
        approved(campaign(), &["dave", "bob"]),
    ]);
    assert_eq!(gates(&answers), ["waiting", "open"]);
    assert_eq!(because(&answers[0], "approvals")["need"], 2);
}

#[test]
fn an_optional_section_is_never_needed_and_opens_nothing() {
    let rules = owners("/campaigns/ @dave\n^[Legal] @alice\n/campaigns/\n[End]\n/crm/ @dave");
    let answers = rules.ask(&[approved(campaign(), &["dave"]), approved(campaign(), &["alice"])]);
    assert_eq!(gates(&answers), ["open", "waiting"]);
    let alone = owners("^[Legal] @alice\n/campaigns/\n[End]\n/crm/ @dave");
    assert_eq!(
        gates(&alone.ask(&[approved(campaign(), &["alice"])])),
        ["blocked"]
    );
}

#[test]
fn an_exclusion_leaves_a_path_out_of_its_section_only() {
    let rules = owners(
        "/campaigns/ @dave\n[Legal] @alice\n/campaigns/\n!/campaigns/segments/tests-*\n[End]\n/crm/ @dave",
    );
    let excluded = set(campaign(), "/parameters/segment_id", json!("tests-1"));
    let answers = rules.ask(&[approved(campaign(), &["dave"]), approved(excluded, &["dave"])]);
    assert_eq!(gates(&answers), ["waiting", "open"]);
}

#[test]
fn the_last_line_that_matches_counts_and_what_nobody_owns_is_shut() {
    let rules =
        owners("* @alice\n/campaigns/ @dave\n/campaigns/segments/gold @bob\n/campaigns/segments/shut");
    let to = |segment: &str, who: &'static str| {
        approved(set(campaign(), "/parameters/segment_id", json!(segment)), &[who])
    };
    let answers = rules.ask(&[
        to("spring", "dave"),
        to("spring", "alice"),
        to("gold", "bob"),
        to("gold", "dave"),
        to("shut", "dave"),
    ]);
    assert_eq!(gates(&answers), ["open", "waiting", "open", "waiting", "blocked"]);
    assert_eq!(because(&answers[4], "owners")["standing"], "blocks");
    assert_eq!(
        gates(&owners("").ask(&[approved(campaign(), &["dave"])])),
        ["blocked"]
    );
}

#[test]
fn each_item_of_a_batch_needs_its_own_owners() {
    let mut batch = payment();
    let one = batch.as_object_mut().unwrap().remove("parameters").unwrap();
    let to = |id: &str, supplier: &str| json!({ "id": id, "parameters": set(one.clone(), "/supplier_id", json!(supplier)) });
    batch["items"] = json!([to("a", "ACME"), to("b", "GOLD")]);
    batch["observed"] = json!([{ "item": "a", "before": {}, "affected": { "count": 1 } }, { "item": "b", "before": {}, "affected": { "count": 1 } }]);
    let gold = "/payments/             @acme/finance @acme/treasury";
    let rules = Rules::small(&[(
        "CODEOWNERS",
        gold,
        &format!("{gold}\n/payments/suppliers/GOLD @acme/treasury @acme/marketing"),
    )]);
    let answers = rules.ask(&[
        approved(batch.clone(), &["alice", "bob"]),
        approved(batch, &["alice", "bob", "dave", "erin"]),
    ]);
    // Two people for each line, and nobody for both; of marketing, two are of one team.
    assert_eq!(gates(&answers), ["waiting", "waiting"]);
    let all = answers[1]["because"].as_array().unwrap();
    let wanted = all.iter().filter(|one| one["rule"] == "approvals").count();
    assert_eq!(wanted, 2, "{all:#?}");
}
