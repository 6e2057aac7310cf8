export { ContainerCampaign, isFaultless, type CampaignOptions, type Verdict } from "./campaign.ts";
export { ClusterView, missingIn } from "./cluster-view.ts";
export { Containers, machineOf, type Container } from "./containers.ts";
export { Engine, type EngineOptions } from "./engine.ts";
export { checkImage, unwelcome, type ImageReport, type ImageRule } from "./image-check.ts";
export { pauseTable, reportStep, type StepReport } from "./pauses.ts";
