//! A look into the account, with profile and region chosen first where they are not plain.

use bastion_api::client::{Client, SurveyWanted};
use bastion_api::{SiteChoice, Survey, SurveyOpen};

use super::choosing::{named_place, one, said_by};
use super::{Init, gone};
use crate::error::Failure;
use crate::ui::{Item, Ui};

/// Looks into the account.
pub(super) async fn survey(init: &Init, client: &Client, ui: &mut Ui) -> Result<Survey, Failure> {
    let mut wanted = wanted(init, |name| std::env::var(name).ok());
    loop {
        ui.progress("looking into the account");
        let survey = client.survey(&wanted).await?;
        match survey.open {
            Some(SurveyOpen::Profile) if wanted.profile.is_none() => {
                let items: Vec<Item> = survey
                    .profiles
                    .iter()
                    .map(|profile| Item {
                        title: profile.name.clone(),
                        detail: profile.region.clone().unwrap_or_default(),
                    })
                    .collect();
                let chosen = one("Which AWS profile?", "--profile", &items, ui).await?;
                wanted.profile = Some(survey.profiles[chosen].name.clone());
            }
            Some(SurveyOpen::Region) if wanted.region.is_none() => {
                if survey.regions.is_empty() {
                    return Err(said_by("Which region?", "--region", &[]).into());
                }
                let items: Vec<Item> = survey.regions.iter().map(Item::plain).collect();
                let chosen = one("Which region?", "--region", &items, ui).await?;
                wanted.region = Some(survey.regions[chosen].clone());
                // It was chosen as this profile's, and so the profile is, too.
                wanted.profile = wanted.profile.or(survey.profile);
            }
            None => return Ok(survey),
            Some(SurveyOpen::Profile | SurveyOpen::Region | SurveyOpen::Unknown) => {
                return Err(gone());
            }
        }
    }
}

/// The places that nobody has named, where what was named is not there: one of them may be what is meant.
pub(super) async fn others(
    init: &Init,
    client: &Client,
    survey: &Survey,
) -> Result<Vec<SiteChoice>, Failure> {
    if !survey.sites.is_empty() || named_place(init).is_none() {
        return Ok(Vec::new());
    }
    let wanted = SurveyWanted {
        profile: survey.profile.clone(),
        region: survey.region.clone(),
        ..SurveyWanted::default()
    };
    Ok(client.survey(&wanted).await?.sites)
}

/// What is known from the flags, and from this shell: the daemon may have been started in another one.
fn wanted(init: &Init, variable: impl Fn(&str) -> Option<String>) -> SurveyWanted {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    // As AWS has it: keys in the environment come before a profile that it names.
    let keys = variable("AWS_ACCESS_KEY_ID").is_some();
    let around = || if keys { None } else { variable("AWS_PROFILE") };
    let region = || variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    SurveyWanted {
        profile: init.profile.clone().or_else(around),
        // Whoever names a profile means its region.
        region: init
            .region
            .clone()
            .or_else(|| if init.profile.is_some() { None } else { region() }),
        cluster: init.cluster.clone(),
        task_definition: init.task_definition.clone(),
        service: init.service.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::init;
    use super::wanted;

    #[test]
    fn this_shells_profile_and_region_are_taken_where_no_flag_says_otherwise() {
        let shell = |name: &str| match name {
            "AWS_PROFILE" => Some("work".to_owned()),
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            _ => None,
        };
        let asked = wanted(&init(""), shell);
        assert_eq!(
            (asked.profile.as_deref(), asked.region.as_deref()),
            (Some("work"), Some("eu-west-1"))
        );
        let asked = wanted(&init("--profile home"), shell);
        assert_eq!((asked.profile.as_deref(), asked.region), (Some("home"), None));
        let keys = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("x".to_owned()),
            name => shell(name),
        };
        assert_eq!(wanted(&init(""), keys).profile, None);
    }
}
