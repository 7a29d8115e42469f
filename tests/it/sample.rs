//! `countersign audit sample`: which executions without review somebody looks at, chosen by the record itself.

use serde_json::Value;

use super::{
    cli::run,
    world::{REPO, Setup, note, story_with},
};

fn lines(args: &[&str]) -> Vec<Value> {
    let ran = run(args);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    ran.out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The choice once more, from the digest as it is written.
fn chosen(digest: &Value, percent: u128) -> bool {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    (u128::from(u64::from_str_radix(&hex[..16], 16).unwrap()) * 100) >> 64 < percent
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_without_review_are_chosen_by_the_digest_of_their_end_and_others_never() {
    let setup = Setup {
        edits: vec![("tiers.yaml", "sample_review: 5%", "sample_review: 50%")],
        ..Setup::default()
    };
    story_with(setup, async |world| {
        for _ in 0..8 {
            let (status, _) = world.propose("support-agent", note()).await;
            assert!(status < 300, "{status}");
        }
        let sent = world.campaign().await;
        world.approve("dave", &sent).await;
        assert_eq!(world.state(&sent).await, "executed");
        world.settle().await;
        let repo = world.github.git_dir(REPO).unwrap().display().to_string();

        let log = lines(&["audit", "log", &repo, "--json"]);
        let of_sent = |line: &&Value| line["entry"]["proposal"] == sent.id.as_str();
        let ended = log.iter().filter(|line| line["entry"]["kind"] == "finished");
        let ended: Vec<&Value> = ended.filter(|line| !of_sent(line)).collect();
        assert_eq!(ended.len(), 8);
        let wanted: Vec<&Value> = ended
            .iter()
            .map(|line| &line["digest"])
            .filter(|digest| chosen(digest, 50))
            .collect();

        let sample = lines(&["audit", "sample", &repo, "--json"]);
        let found: Vec<&Value> = sample.iter().map(|line| &line["digest"]).collect();
        assert_eq!(found, wanted);
        assert!(
            sample
                .iter()
                .all(|line| line["sample_review"] == 50 && line["proposal"].is_string())
        );

        let people = run(&["audit", "sample", &repo]);
        let told = format!(
            "{} of 8 executions without review to be looked at\n",
            wanted.len()
        );
        assert_eq!((people.code, people.err), (0, told));
        assert_eq!(people.out.lines().count(), wanted.len());
    })
    .await;
}
