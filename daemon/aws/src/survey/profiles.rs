use aws_config::profile::{Profile, ProfileSet};
use bastion_cloud::{ProfileFact, ProfileFacts, Used};

/// The profiles of these files, and which is used: the one that was named, else what the environment says, else the only
/// one or the default one.
pub(super) fn facts(files: &ProfileSet, named: Option<&str>, region: Option<&str>) -> ProfileFacts {
    facts_in(files, named, region, |variable| {
        std::env::var(variable).ok().filter(|value| !value.is_empty())
    })
}

fn facts_in(
    files: &ProfileSet,
    named: Option<&str>,
    region: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> ProfileFacts {
    let mut all: Vec<ProfileFact> =
        files.profiles().filter_map(|name| files.get_profile(name)).map(fact).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let used = match (named, environment("AWS_PROFILE"), all.as_slice()) {
        (Some(named), ..) => Used::Profile(named.to_owned()),
        // As the SDK has it: keys of the environment come before any profile that nobody has named to us.
        (None, ..) if environment("AWS_ACCESS_KEY_ID").is_some() => Used::Environment,
        (None, Some(profile), _) => Used::Profile(profile),
        (None, None, [only]) => Used::Profile(only.name.clone()),
        (None, None, []) => Used::Environment,
        (None, None, all) if all.iter().any(|one| one.name == DEFAULT) => {
            Used::Profile(DEFAULT.to_owned())
        }
        (None, None, _) => Used::Open,
    };
    let own = match &used {
        Used::Profile(name) => {
            all.iter().find(|one| one.name == *name).and_then(|one| one.region.clone())
        }
        Used::Environment | Used::Open => None,
    };
    let around = || environment("AWS_REGION").or_else(|| environment("AWS_DEFAULT_REGION"));
    let region = match (region, named) {
        (Some(region), _) => Some(region.to_owned()),
        // Who names a profile means its region, whatever this shell is about.
        (None, Some(_)) => own.or_else(around),
        (None, None) => around().or(own),
    };
    ProfileFacts { all, used, region }
}

fn fact(profile: &Profile) -> ProfileFact {
    ProfileFact {
        name: profile.name().to_owned(),
        region: profile.get("region").map(str::to_owned),
        sso: profile.get("sso_session").or_else(|| profile.get("sso_start_url")).is_some(),
    }
}

/// What the AWS CLI and the SDK take where nobody names a profile.
const DEFAULT: &str = "default";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bastion_cloud::{ProfileFacts, Used};

    use super::facts_in;
    use crate::Settings;
    use crate::files::Files;

    const TWO: &str = "[profile prod]\nregion = eu-west-1\nsso_session = corp\n\
                       [profile dev]\nregion = us-east-1\n[sso-session corp]\nsso_region = eu-west-1\n";

    async fn of(text: &str, named: Option<&str>, environment: &[(&str, &str)]) -> ProfileFacts {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), text).unwrap();
        let at = |name: &str| Some(Path::new(dir.path()).join(name));
        let settings = Settings {
            config_file: at("config"),
            credentials_file: at("credentials"),
            ..Settings::default()
        };
        let files = Files::new(&settings).profiles().await.unwrap();
        facts_in(&files, named, None, |variable| {
            let found = environment.iter().find(|(name, _)| *name == variable);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[tokio::test]
    async fn of_two_profiles_none_is_obvious_unless_one_is_named_or_the_default() {
        let facts = of(TWO, None, &[]).await;
        assert_eq!(facts.used, Used::Open);
        assert_eq!(facts.region, None);
        let names: Vec<(&str, bool)> =
            facts.all.iter().map(|one| (one.name.as_str(), one.sso)).collect();
        assert_eq!(names, [("dev", false), ("prod", true)]);
        assert_eq!(of(TWO, Some("dev"), &[]).await.used, Used::Profile("dev".to_owned()));
        let facts = of(TWO, None, &[("AWS_PROFILE", "prod")]).await;
        assert_eq!(facts.used, Used::Profile("prod".to_owned()));
        assert_eq!(facts.region.as_deref(), Some("eu-west-1"));
        let facts = of(&format!("{TWO}[default]\n"), None, &[]).await;
        assert_eq!(facts.used, Used::Profile("default".to_owned()));
    }

    #[tokio::test]
    async fn the_only_profile_is_the_obvious_one_and_keys_around_us_come_before_it() {
        let one = "[profile only]\nregion = eu-west-1\n";
        assert_eq!(of(one, None, &[]).await.used, Used::Profile("only".to_owned()));
        let keys = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_REGION", "us-west-2")];
        let facts = of(one, None, &keys).await;
        assert_eq!((facts.used, facts.region.as_deref()), (Used::Environment, Some("us-west-2")));
        assert_eq!(of("", None, &[]).await.used, Used::Environment);
    }

    #[tokio::test]
    async fn a_named_profile_means_its_own_region() {
        let around = [("AWS_REGION", "us-west-2")];
        assert_eq!(of(TWO, Some("prod"), &around).await.region.as_deref(), Some("eu-west-1"));
        assert_eq!(of(TWO, Some("gone"), &around).await.region.as_deref(), Some("us-west-2"));
    }
}
