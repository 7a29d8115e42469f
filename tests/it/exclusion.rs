//! `/exclude` below a pull request: what is left out never runs, and everything else stays.

use serde_json::{Value, json};

use crate::world::{payment, story};

/// Three payments in one proposal.
pub(crate) fn batch() -> Value {
    let mut body = payment();
    let one = body["parameters"].take();
    body.as_object_mut().unwrap().remove("parameters");
    // What one payment changes must not be what another was approved on.
    let suppliers = ["acme-ltd", "globex", "initech"];
    let items = suppliers.iter().zip(1..).map(|(supplier, n)| {
        let mut parameters = one.clone();
        parameters["supplier_id"] = json!(supplier);
        parameters.as_object_mut().unwrap().remove("iban");
        parameters["reference"] = json!(format!("INV-{n}"));
        json!({ "id": n.to_string(), "parameters": parameters })
    });
    body["items"] = items.collect();
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_takes_one_of_three_payments_out_and_the_others_run() {
    story(async |world| {
        let batch = world.open("payments-agent", batch()).await;
        assert!(world.check(&batch).summary.contains("`/exclude 3,7 why`"));
        world.approve("alice", &batch).await;
        world.comment("alice", &batch, "/exclude 2 paid last week").await;
        let check = world.check(&batch);
        assert!(check.summary.contains("2 of 3 run"), "{}", check.summary);
        insta::assert_snapshot!(world.answers(&batch)[0], @r"
        Recorded: alice excludes `2`, because paid last week.

        What runs once it is approved: `1`, `3`. Approvals stay; an item does not come back, but the agent may propose it anew.
        ");
        world.approve("bob", &batch).await;
        assert_eq!(world.state(&batch).await, "executed");
        assert_eq!(world.acted(), (2, 0));
        let keys: Vec<String> = world.targets.bank().effects().into_iter().map(|effect| effect.key).collect();
        assert!(keys.iter().all(|key| !key.ends_with("/2")), "{keys:?}");
        let about = world.about(&batch);
        let started = about.iter().find(|entry| entry["kind"] == "started").unwrap();
        assert_eq!(started["body"]["excluded"], json!(["2"]));
        let [entry] = world.of_kind("excluded").try_into().unwrap();
        assert_eq!(entry["actor"]["person"], "alice");
        assert_eq!(entry["body"]["items"], json!(["2"]));
        let told = world.subjects().into_iter().find(|line| line.starts_with("excluded: ")).unwrap();
        assert!(told.starts_with("excluded: item 2 of ") && told.ends_with(", by alice: paid last week"), "{told}");
        let outcome = world.answers(&batch).pop().unwrap();
        assert!(outcome.contains("| `2` | excluded |"), "{outcome}");
        assert_eq!(world.status(batch.agent, &batch.id).await["excluded"], json!(["2"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i08_only_owners_take_out_known_items_and_never_all_or_after_the_merge() {
    story(async |world| {
        let batch = world.open("payments-agent", batch()).await;
        for (login, text) in [
            ("carol", "/exclude 2 mine"),
            ("dave", "/exclude 2 not an owner"),
            ("mallory", "/exclude 2 a stranger"),
            ("alice", "/exclude 9 no such item"),
            ("alice", "/exclude 1,2,3 all"),
            ("alice", "/exclude 2"),
            ("alice", "let us /exclude 2"),
        ] {
            world.comment(login, &batch, text).await;
            assert_eq!(world.of_kind("excluded"), Vec::<Value>::new(), "{login}: {text}");
        }
        insta::assert_snapshot!(world.answers(&batch).concat(), @r"
        Not recorded for carol: items are excluded by an owner who may approve; its sponsor and whoever wrote or pushed it may not.
        Not recorded for dave: items are excluded by an owner who may approve; its sponsor and whoever wrote or pushed it may not.
        Not recorded for alice: the proposal has no item `9`.
        Not recorded for alice: no item would be left; to run none of them, close the pull request.
        Not recorded for alice: it takes your reason; write `/exclude 3,7` with the items to leave out, then why.
        ");
        world.approve("alice", &batch).await;
        world.approve("bob", &batch).await;
        assert_eq!(world.state(&batch).await, "executed");
        world.comment("alice", &batch, "/exclude 2 too late").await;
        assert!(world.of_kind("excluded").is_empty());
        assert_eq!(world.acted(), (3, 0));
    })
    .await;
}
