export { BankLoad, type BankOptions, type BankReport } from "./bank-load.ts";
export { Campaign, type CampaignOptions, type CampaignReport } from "./campaign.ts";
export { checkFence, firstFall, type FenceReport } from "./fence-checker.ts";
export {
  describeQueueCampaign,
  isQueueFaultless,
  QueueCampaign,
  type QueueCampaignOptions,
  type QueueCampaignReport,
} from "./queue-campaign.ts";
export { SeededRandom } from "./random.ts";
export { describeCampaign, isFaultless } from "./report.ts";
export { deaths, parseFault, plannedStops, standstills, type Fault } from "./faults.ts";
export { plantedBugs, type PlantedBug } from "./planted/planted-bugs.ts";
export { PlantedTree, type TestRun } from "./planted/planted-tree.ts";
