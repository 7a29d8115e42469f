//! What people approved is one commit's content: another one in its place is not merged by an executor apart, and not carried
//! out once somebody merged it. INVARIANT i05, i14.

use std::time::Duration;

use super::{Opened, REPO, World, gate, may_merge, merged, restored, seized};
use crate::world::{git, merge_commit, story_with};

async fn refused(world: &mut World, of: &Opened, why: &str) {
    assert_eq!(world.acted(), (0, 0));
    let kinds = world.kinds(of);
    assert_eq!(kinds.last().unwrap(), "refused_after_merge", "{kinds:?}");
    let entry = world.of_kind("refused_after_merge").remove(0);
    let reason = entry["body"]["reason"].as_str().unwrap();
    assert!(reason.contains(why), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_i14_a_branch_that_was_swapped_after_the_approvals_carries_nothing_out() {
    story_with(gate(), async |world| {
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        let (executor, liar) = seized(world).await;
        let lie = |text: String| text.replace("Autumn news", "Nothing much");
        liar.swaps(world, &campaign, lie).await;
        liar.finds_open(&campaign).await;
        world.both_later(Duration::from_secs(2));
        executor.follow().await.unwrap();
        assert!(!merged(world, &campaign));
        may_merge(world);
        world
            .person("carol")
            .merge(REPO, campaign.pull, merge_commit())
            .unwrap();
        let dir = world.github.git_dir(REPO).unwrap();
        let landed = git(&dir, &["grep", "-h", "Nothing much", "main", "--", "proposals/"]);
        assert!(!landed.is_empty());
        liar.merged(world, &campaign).await;
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        refused(world, &campaign, "before the act: head, commits").await;
        restored(world, executor, liar).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_a_merge_of_the_approved_head_that_brings_something_else_carries_nothing_out() {
    story_with(gate(), async |world| {
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        let (executor, liar) = seized(world).await;
        let lie = |text: String| text.replace("Autumn news", "Nothing much");
        may_merge(world);
        liar.merges_with(world, &campaign, lie).await;
        liar.merged(world, &campaign).await;
        world.both_later(Duration::from_secs(61));
        executor.follow().await.unwrap();
        refused(
            world,
            &campaign,
            "`proposal.yaml` is not the one that was approved",
        )
        .await;
        restored(world, executor, liar).await;
    })
    .await;
}
