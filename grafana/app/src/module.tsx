import React, { Suspense, lazy } from 'react';
import { AppPlugin, type AppRootProps, type PluginConfigPageProps, type AppPluginMeta } from '@grafana/data';
import { LoadingPlaceholder } from '@grafana/ui';
import type { Settings } from './settings';

const LazyApp = lazy(() => import('./App'));
const LazyConfigPage = lazy(() => import('./pages/ConfigPage'));

const Root = (props: AppRootProps<Settings>) => (
  <Suspense fallback={<LoadingPlaceholder text="" />}>
    <LazyApp {...props} />
  </Suspense>
);

const ConfigPage = (props: PluginConfigPageProps<AppPluginMeta<Settings>>) => (
  <Suspense fallback={<LoadingPlaceholder text="" />}>
    <LazyConfigPage {...props} />
  </Suspense>
);

export const plugin = new AppPlugin<Settings>().setRootPage(Root).addConfigPage({
  title: 'Configuration',
  icon: 'cog',
  body: ConfigPage,
  id: 'configuration',
});
