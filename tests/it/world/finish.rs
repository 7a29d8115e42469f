//! The end of every story: nothing is left over, and the ledger proves itself from a clone.

use serde_json::Value;

use super::{REPO, World, git};

impl World {
    /// Ends the story: nothing is left over, and the ledger proves itself from a clone.
    pub(crate) async fn finish(mut self) {
        self.settle().await;
        self.stop().await;
        for request in self.github.requests() {
            if let Some(concluded) = request.request.get("conclusion") {
                // INVARIANT i27: GitHub takes neutral and skipped for success.
                let known = ["success", "failure", "action_required"].map(Value::from);
                assert!(known.contains(concluded), "{request:?}");
            }
        }
        for target in [self.targets.bank(), self.targets.crm()] {
            let effects = target.effects();
            let mut keys: Vec<&str> = effects.iter().map(|effect| effect.key.as_str()).collect();
            keys.sort_unstable();
            let all = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), all, "something ran twice: {effects:?}");
        }
        let executed: Vec<String> = self
            .entries()
            .iter()
            .filter(|entry| entry["kind"] == "started")
            .map(|entry| entry["proposal"].as_str().unwrap().to_owned())
            .collect();
        for target in [self.targets.bank(), self.targets.crm()] {
            for effect in target.effects() {
                let known = executed.iter().any(|id| effect.key.starts_with(id.as_str()));
                assert!(known, "an effect without a `started` entry: {effect:?}");
            }
        }
        let clone = tempfile::tempdir().unwrap();
        git(
            clone.path(),
            &[
                "clone",
                "--quiet",
                "--bare",
                self.github.git_dir(REPO).unwrap().to_str().unwrap(),
                ".",
            ],
        );
        let report = countersign::ledger::verify(
            clone.path(),
            &"ledger".parse().unwrap(),
            self.genesis,
            None,
            |_, _| {},
        )
        .unwrap();
        assert_eq!(report.findings.len(), self.findings, "{:#?}", report.findings);
    }
}
