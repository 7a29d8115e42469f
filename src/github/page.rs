//! Where people look at what the bot made.

use url::Url;

use super::client::GitHub;
use crate::domain::ids::{PullNumber, RepoName};

impl GitHub {
    /// A pull request's page.
    pub fn page(&self, pull: PullNumber) -> String {
        page(self.api(), self.repo(), pull)
    }
}

/// github.com's pages have a host of their own; Enterprise Server's stand beside `/api/v3`.
fn page(api: &Url, repo: &RepoName, pull: PullNumber) -> String {
    let mut web = api.clone();
    if api.host_str() == Some("api.github.com") && web.set_host(Some("github.com")).is_err() {
        return String::new();
    }
    let path = api.path().trim_end_matches('/');
    let root = path.strip_suffix("/api/v3").unwrap_or(path);
    web.set_path(&format!("{root}/{repo}/pull/{pull}"));
    web.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_github_com_and_of_enterprise_server() {
        let repo: RepoName = "acme/approvals".parse().unwrap();
        for (api, shown) in [
            (
                "https://api.github.com",
                "https://github.com/acme/approvals/pull/7",
            ),
            (
                "https://ghe.example/api/v3",
                "https://ghe.example/acme/approvals/pull/7",
            ),
            (
                "http://127.0.0.1:8080/api/v3/",
                "http://127.0.0.1:8080/acme/approvals/pull/7",
            ),
        ] {
            assert_eq!(page(&Url::parse(api).unwrap(), &repo, PullNumber(7)), shown);
        }
    }
}
