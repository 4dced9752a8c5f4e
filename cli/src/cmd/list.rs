//! `weir list`.

use crate::{api::Session, settings::Settings, ui, ui::Output};
use weir_shared::{
    api::ResourceView,
    error::{Kind, UserFacing},
    id::ResourceName,
};

/// The resource of this name, when it may be reached.
pub(super) fn find<'a>(resources: &'a [ResourceView], name: &ResourceName) -> Result<&'a ResourceView, UserFacing> {
    let found = resources.iter().find(|resource| resource.name == *name).ok_or_else(|| {
        let hint = "run `weir list` for what you may reach";
        UserFacing::new(Kind::NotFound, format!("no resource {name}"), hint)
    })?;
    found.reachable_by_right()?;
    Ok(found)
}

pub(super) async fn run(settings: &Settings, output: Output) -> Result<(), UserFacing> {
    let session = Session::open(settings).await?;
    let resources: Vec<ResourceView> = session.get("/resources").await?;
    if output == Output::Json {
        ui::json(&resources);
        return Ok(());
    }
    if resources.is_empty() {
        ui::tell("no resource is open to you; ask the relay's administrator");
        return Ok(());
    }
    let rows = resources.iter().map(|resource| {
        let pairs = |map: &std::collections::BTreeMap<String, String>| {
            map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        vec![
            resource.name.to_string(),
            resource.kind.clone(),
            resource.databases.join(","),
            if resource.reachable { "yes" } else { "no" }.to_owned(),
            pairs(&resource.labels),
            resource.needs.clone().map_or_else(|| pairs(&resource.rights), |needs| format!("needs {needs}")),
        ]
    });
    ui::say(&ui::table(&["name", "kind", "databases", "reachable", "labels", "rights"], rows.collect()));
    Ok(())
}
