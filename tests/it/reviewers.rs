//! docs/reviewers.md: every row names its test, and the rows that no other room tests.

use std::{fs, path::Path};

use serde_json::Value;

use crate::world::{Opened, REPO, World, story};

/// What an approved proposal is once somebody moved its branch.
async fn is_void(world: &mut World, of: &Opened, approver: &str) {
    assert_eq!(world.state(of).await, "voided");
    world.approve(approver, of).await;
    world.sweep().await;
    assert_eq!(
        (world.state(of).await.as_str(), world.acted()),
        ("voided", (0, 0))
    );
    let pull = world.github.pull(REPO, of.pull).unwrap();
    assert_eq!(
        (&pull["state"], &pull["merged"]),
        (&Value::from("closed"), &Value::from(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_a_committed_suggestion_makes_it_void() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        let branch = format!("countersign/{}", payment.id);
        // As GitHub commits it: on top of the head, by whoever pressed the button, with its author beside them.
        let message =
            "Apply suggestion from @bob\n\nCo-authored-by: bob <20003+bob@users.noreply.github.com>";
        world
            .person("dave")
            .push_files(
                REPO,
                &branch,
                &[("proposals/note.md", "half of it")],
                message,
                false,
            )
            .unwrap();
        world.settle().await;
        is_void(world, &payment, "bob").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_an_updated_branch_makes_it_void() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        // The base moves on: that alone touches no approval.
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "executed");
        assert_eq!(world.state(&payment).await, "open");
        let token = world.github.user_token("dave").unwrap();
        let (api, pull) = (world.github.api_url(), payment.pull);
        let answer = reqwest::Client::new()
            .put(format!("{api}/repos/{REPO}/pulls/{pull}/update-branch"))
            .bearer_auth(token)
            .header("user-agent", "tests")
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
        world.settle().await;
        assert_eq!(world.acted(), (0, 1));
        assert_eq!(world.state(&payment).await, "voided");
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("voided", (0, 1))
        );
    })
    .await;
}

#[test]
fn every_row_of_the_gestures_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reviewers.md")).unwrap();
    let tests: String = fs::read_dir(root.join("tests/it"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| gesture"))
        .collect();
    assert!(rows.len() >= 20, "{}", rows.len());
    for row in rows {
        let name = row.rsplit('`').nth(1).unwrap();
        assert!(tests.contains(&format!("fn {name}()")), "{row}");
    }
}
