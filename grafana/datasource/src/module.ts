import { DataSourcePlugin } from '@grafana/data';
import { ConfigEditor } from './components/ConfigEditor';
import { QueryEditor } from './components/QueryEditor';
import { DataSource } from './datasource';
import { BeTraceOptions, BeTraceQuery, BeTraceSecrets } from './types';

export const plugin = new DataSourcePlugin<DataSource, BeTraceQuery, BeTraceOptions, BeTraceSecrets>(DataSource)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor);
