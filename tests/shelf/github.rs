//! prism checks each request against GitHub's own description and keeps nothing: see `stripe.rs`.

use rollcall::targets::Target as _;
use rollcall_support::products::GitHubMock;

use crate::stage::{Stage, person};

#[tokio::test]
async fn github_takes_what_is_sent_from_invitation_to_removal() {
    let github = GitHubMock::start().await.unwrap();
    let stage = Stage::set("github", &github.url(), &[("token", "any")]);
    // The description's example is about somebody of this name, and an invitation that waits.
    let ada = person("octocat");
    stage.target.capabilities().await.unwrap();
    let made = stage.target.create_account(&ada, "operation-account").await.unwrap();
    assert_eq!(made.id, "octocat");
    // The example's next page is the real GitHub's, and credentials follow no link to another host.
    let refused = stage.target.accounts().await.unwrap_err().to_string();
    assert!(refused.contains("leads to another host"), "{refused}");
    stage
        .grant(&made.id, "github-engineers", &ada, &[("role", "maintainer")])
        .await;
    let held = stage.held(&made.id, "github-engineers").await;
    assert!(held.parameters.contains_key("role"), "{held:?}");
    let object = stage.object("github-engineers").await;
    let order = rollcall::targets::Order::new(rollcall::targets::Verb::Revoke, &made.id);
    let receipts = stage.target.change_holders(&object, &[order], None).await.unwrap();
    assert!(receipts.values().all(Result::is_ok), "{receipts:?}");
    stage.target.delete_account(&made.id).await.unwrap();
}
