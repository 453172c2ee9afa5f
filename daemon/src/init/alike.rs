//! Which names belong together: `neuraKnot-prod-db` and `neuraKnot-prod-cluster`, `dev/mysql` and `dev-mysql`.

use std::collections::BTreeSet;

/// The words of a name, in lower case.
pub(super) fn words(name: &str) -> BTreeSet<String> {
    let parts = name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect()
}

/// The words that tell whose something is, without those that tell only what it is.
pub(super) fn own_words(name: &str) -> BTreeSet<String> {
    words(name).into_iter().filter(|word| !KINDS.contains(&word.as_str())).collect()
}

/// How many words two names share that tell whose they are.
pub(super) fn alike(one: &BTreeSet<String>, other: &BTreeSet<String>) -> usize {
    one.intersection(other).count()
}

/// Those of a list for which `score` gives most; all of them where it gives nothing for any.
pub(super) fn best<T>(all: Vec<T>, score: impl Fn(&T) -> usize) -> Vec<T> {
    let most = all.iter().map(&score).max().unwrap_or_default();
    all.into_iter().filter(|one| score(one) == most).collect()
}

/// Whether a name says that something is there to reach other things through.
pub(super) fn leads_elsewhere(name: &str) -> bool {
    let lower = name.to_lowercase();
    ROUTES.iter().any(|part| lower.contains(part))
}

/// The environment that a name speaks of.
pub(super) fn environment(name: &str) -> Option<&'static str> {
    let words = words(name);
    ENVIRONMENTS.into_iter().find(|known| words.contains(*known))
}

/// Words that say what something is.
const KINDS: [&str; 24] = [
    "aurora",
    "aws",
    "bastion",
    "cluster",
    "credentials",
    "database",
    "db",
    "ec2",
    "ecs",
    "group",
    "instance",
    "master",
    "password",
    "private",
    "proxy",
    "public",
    "rds",
    "secret",
    "security",
    "service",
    "sg",
    "ssm",
    "subnet",
    "vpc",
];

/// Parts of names that people give to what they go through.
const ROUTES: [&str; 6] = ["bastion", "jump", "proxy", "ssm", "tunnel", "access"];

/// Words that people have for their environments.
const ENVIRONMENTS: [&str; 15] = [
    "prod",
    "production",
    "prd",
    "staging",
    "stage",
    "stg",
    "dev",
    "development",
    "test",
    "testing",
    "qa",
    "uat",
    "demo",
    "sandbox",
    "preview",
];

#[cfg(test)]
mod tests {
    use super::{alike, best, environment, own_words};

    #[test]
    fn names_of_one_house_share_the_words_that_tell_whose_they_are() {
        let shared = |one, other| alike(&own_words(one), &own_words(other));
        assert_eq!(shared("neuraKnot-prod-db", "neuraknot-prod-cluster"), 2);
        assert_eq!(shared("dev-db", "prod-db"), 0);
        assert_eq!(own_words("dev/mysql"), own_words("dev-mysql"));
    }

    #[test]
    fn where_nothing_is_alike_nothing_is_left_out() {
        assert_eq!(best(vec![1, 2, 3], |_| 0), [1, 2, 3]);
        assert_eq!(best(vec![1, 2, 3, 3], |one| *one), [3, 3]);
    }

    #[test]
    fn an_environment_is_a_whole_word() {
        assert_eq!(environment("neuraKnot-prod-cluster"), Some("prod"));
        assert_eq!(environment("product-cluster"), None);
    }
}
