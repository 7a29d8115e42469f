//! Values that would be something else where they are taken for text.

use super::{NAMED, deploying, deployment};
use crate::world::{REPO, story_with};

#[tokio::test(flavor = "multi_thread")]
async fn i23_hostile_values_arrive_as_they_are_and_mean_nothing() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        for (number, version) in [
            "two\nlines",
            "${{ secrets.TOKEN }}",
            "${{ inputs.nonce }}",
            "\"; rm -rf / #",
            "::set-output name=x::y",
        ]
        .into_iter()
        .enumerate()
        {
            let deploy = world.deployed(version).await;
            world.ended(&deploy, "executed").await;
            let run = &world.runs()[number];
            let id = run["id"].as_u64().unwrap();
            assert_eq!(world.github.run_inputs(REPO, id).unwrap()["version"], version);
            assert_eq!(run["display_title"], format!("{}/1", deploy.id));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_more_than_github_takes_begins_nothing() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        let (status, answer) = world
            .propose("campaign-agent", deployment(&"x".repeat(65_536)))
            .await;
        assert_eq!(status, 422, "{answer:#}");
        // Written as JSON, each of them is two.
        let deploy = world.deployed(&"\"".repeat(33_000)).await;
        assert_eq!(world.runs().len(), 0);
        assert_eq!(world.kinds(&deploy).last().unwrap(), "refused_after_merge");
    })
    .await;
}
