//! GitHub's budget: what a look costs, what a proposal's life writes, and what is kept for voiding.

use std::time::Duration;

use countersign::sandbox::Recorded;

use crate::world::{Opened, REPO, Setup, World, story, story_with};

/// Requests that GitHub counts: all but those that nothing had changed for.
fn counted(world: &World) -> Vec<String> {
    let costs = |one: &Recorded| one.status != 304 && one.path != "/rate_limit";
    let requests = world.github.requests().into_iter().filter(costs);
    requests
        .map(|one| format!("{} {} {}", one.method, one.path, one.status))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_a_look_at_what_did_not_change_costs_two_requests_at_most() {
    story(async |world| {
        let proposals = [world.payment().await, world.campaign().await];
        world.approve("alice", &proposals[0]).await;
        world.sweep().await;
        world.github.forget_requests();
        let sweeps = 5;
        for _ in 0..sweeps {
            world.sweep().await;
        }
        let looked = world
            .github
            .requests()
            .iter()
            .filter(|one| one.path.ends_with("/reviews"))
            .count();
        assert_eq!(
            looked,
            sweeps * proposals.len(),
            "every proposal was looked at by every sweep"
        );
        let costs = counted(world);
        assert!(costs.len() <= 2 * looked, "{} looks: {costs:#?}", looked);
        let writes = costs.iter().filter(|one| !one.starts_with("GET")).count();
        assert_eq!(writes, 0, "{costs:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_a_proposal_s_life_creates_four_things_at_most() {
    story(async |world| {
        let payment = world.payment().await;
        world.approve("alice", &payment).await;
        world.approve("bob", &payment).await;
        assert_eq!(world.state(&payment).await, "executed");
        world.sweep().await;
        let created: Vec<String> = world
            .github
            .requests()
            .into_iter()
            .filter(|one| one.method == "POST" && !one.path.ends_with("/access_tokens"))
            .map(|one| one.path.replace(&format!("/repos/{REPO}"), ""))
            .collect();
        let expected = [
            "/pulls".to_owned(),
            "/check-runs".to_owned(),
            format!("/pulls/{}/requested_reviewers", payment.pull),
            format!("/issues/{}/comments", payment.pull),
        ];
        let mut sorted = created.clone();
        sorted.sort();
        let mut wanted = expected.to_vec();
        wanted.sort();
        assert_eq!(sorted, wanted, "{created:#?}");
    })
    .await;
}

/// Uses up the bot's hour until so much of it is left.
async fn burn_to(world: &World, left: u64) {
    let client = reqwest::Client::new();
    let installation = world.github.installations(world.app.id)[0];
    let token = world.github.installation_token(installation).unwrap();
    let url = format!("{}/repos/{REPO}", world.github.api_url());
    loop {
        let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
        let remaining = answer.headers()["x-ratelimit-remaining"].to_str().unwrap();
        if remaining.parse::<u64>().unwrap() <= left {
            return;
        }
    }
}

fn closed(world: &World, of: &Opened) -> bool {
    world.github.pull(REPO, of.pull).unwrap()["state"] == "closed"
}

#[tokio::test(flavor = "multi_thread")]
async fn i31_the_last_requests_of_an_hour_are_kept_for_voiding() {
    let setup = Setup {
        rate_limit: Some(2_000),
        ..Setup::default()
    };
    story_with(setup, async |world| {
        let payment = world.payment().await;
        let campaign = world.campaign().await;
        world.approve("alice", &payment).await;
        // A twentieth of the hour is 100.
        burn_to(world, 90).await;
        world.sweep().await;
        let branch = format!("countersign/{}", campaign.id);
        world
            .person("mallory")
            .push_files(REPO, &branch, &[("x.txt", "x")], "x", false)
            .unwrap();
        world.settle().await;
        assert_eq!(world.state(&campaign).await, "voided");
        assert!(closed(world, &campaign), "voiding may use the reserve");
        world.approve("bob", &payment).await;
        assert_eq!(
            (world.state(&payment).await.as_str(), world.acted()),
            ("open", (0, 0))
        );
        assert!(!closed(world, &payment), "a merge waits for the next hour");
        world.both_later(Duration::from_secs(3_700));
        world.sweep().await;
        world.sweep().await;
        assert_eq!(world.state(&payment).await, "executed");
    })
    .await;
}
