// What a dashboard file may hold, in Grafana's own types. A saved panel holds only what differs from the defaults.

import type { AnnotationQuery, Dashboard } from "@grafana/schema/dist/types/raw/dashboard/x/types.gen";
import type * as bargauge from "@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen";
import type * as gauge from "@grafana/schema/dist/types/raw/composable/gauge/panelcfg/x/types.gen";
import type * as logs from "@grafana/schema/dist/types/raw/composable/logs/panelcfg/x/types.gen";
import type * as stat from "@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type * as timeline from "@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen";
import type * as table from "@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen";
import type * as text from "@grafana/schema/dist/types/raw/composable/text/panelcfg/x/types.gen";
import type * as timeseries from "@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";
import type { ElasticsearchDataQuery } from "@grafana/schema/dist/types/raw/composable/elasticsearch/dataquery/x/types.gen";

type Some<T> = { [K in keyof T]?: T[K] extends object | undefined ? Some<T[K]> : T[K] };
type Nothing = Record<string, never>;

export interface Panels {
  timeseries: { options: Some<timeseries.Options>; custom: Some<timeseries.FieldConfig> };
  stat: { options: Some<stat.Options>; custom: Nothing };
  gauge: { options: Some<gauge.Options>; custom: Nothing };
  bargauge: { options: Some<bargauge.Options>; custom: Nothing };
  table: { options: Some<table.Options>; custom: Some<table.FieldConfig> };
  logs: { options: Some<logs.Options>; custom: Nothing };
  text: { options: Some<text.Options>; custom: Nothing };
  "state-timeline": { options: Some<timeline.Options>; custom: Some<timeline.FieldConfig> };
  row: { options: Nothing; custom: Nothing };
}

// Prometheus publishes its types in no package: these are the fields of its editor.
export interface Targets {
  prometheus: {
    refId: string;
    datasource?: { type: string; uid: string };
    expr: string;
    legendFormat?: string;
    instant?: boolean;
    range?: boolean;
    exemplar?: boolean;
    format?: "time_series" | "table" | "heatmap";
    interval?: string;
    intervalFactor?: number;
    hide?: boolean;
    editorMode?: "code" | "builder";
  };
  elasticsearch: Omit<ElasticsearchDataQuery, "datasource"> & { datasource?: { type: string; uid: string } };
}

// Fields that the Prometheus data source adds to an annotation.
interface PrometheusAnnotation extends AnnotationQuery {
  expr: string;
  step?: string;
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
  useValueForTime?: boolean;
}

export interface Everything {
  dashboard: Omit<Dashboard, "annotations"> & { annotations: { list: PrometheusAnnotation[] } };
  panels: Panels;
  targets: Targets;
}
